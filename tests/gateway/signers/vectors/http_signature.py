"""RFC 9421: an independent library verifies the signature; RFC 9530: the digest is the body's."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import UTC, datetime
from types import SimpleNamespace

from http_message_signatures import HTTPMessageSignaturesException, HTTPMessageVerifier, algorithms

from tests.gateway.signers.proofs import Proof, SentRequest, if_equal
from tests.gateway.signers.signing import KEYS, Resolver, clock_at


def check(request: SentRequest) -> str | None:
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.ED25519, key_resolver=Resolver(KEYS["ed25519"][1])
    )
    message = SimpleNamespace(
        method=request.verb,
        url=f"http://{request.headers['host']}{request.target}",
        headers=request.headers,
        body=request.body,
    )
    created = int(request.headers["signature-input"].partition("created=")[2].split(";")[0])
    with clock_at(datetime.fromtimestamp(created, UTC)):
        try:
            verifier.verify(message)
        except HTTPMessageSignaturesException:
            return None
    digest = f"sha-256=:{b64encode(hashlib.sha256(request.body).digest()).decode()}:"
    return if_equal(request.headers["content-digest"], digest) and request.headers["signature"]


PROOF = Proof(check)
