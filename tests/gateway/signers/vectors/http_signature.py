"""RFC 9421: an independent library verifies the signature; RFC 9530: the digest is the body's."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from types import SimpleNamespace

from http_message_signatures import HTTPMessageSignaturesException, algorithms

from tests.gateway.signers.proofs import Proof, SentRequest, if_equal
from tests.gateway.signers.signing import KEYS, verifier_of


def check(request: SentRequest) -> str | None:
    message = SimpleNamespace(
        method=request.verb,
        url=f"http://{request.headers['host']}{request.target}",
        headers=request.headers,
        body=request.body,
    )
    try:
        verifier_of(algorithms.ED25519, KEYS["ed25519"][1]).verify(message)
    except HTTPMessageSignaturesException:
        return None
    digest = f"sha-256=:{b64encode(hashlib.sha256(request.body).digest()).decode()}:"
    return if_equal(request.headers["content-digest"], digest) and request.headers["signature"]


PROOF = Proof(check)
