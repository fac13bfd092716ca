"""AWS's own SDK signs what came, with the time and the headers that were signed."""

from __future__ import annotations

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.gateway.signers.proofs import SECRET, Proof, SentRequest, if_equal


def check(request: SentRequest) -> str | None:
    _, _, parameters = request.headers["authorization"].partition(" ")
    pairs = dict(part.split("=", 1) for part in parameters.split(", "))
    covered = {name: request.headers[name] for name in pairs["SignedHeaders"].split(";")}
    url = f"http://{request.headers['host']}{request.target}"
    aws_request = AWSRequest(request.verb, url, covered, request.body)
    aws_request.context["timestamp"] = request.headers["x-amz-date"]
    auth = SigV4Auth(Credentials("AKID", SECRET), "sqs", "eu-west-1")
    canonical = auth.canonical_request(aws_request)
    expected = auth.signature(auth.string_to_sign(aws_request, canonical), aws_request)
    return if_equal(pairs["Signature"], expected)


PROOF = Proof(check, nonce=False)
