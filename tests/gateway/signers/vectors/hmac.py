"""The text that the example describes, hashed here once more."""

from __future__ import annotations

import hashlib
import hmac

from tests.gateway.signers.proofs import SECRET, Proof, SentRequest, if_equal


def check(request: SentRequest) -> str | None:
    time, nonce = (request.headers[name] for name in ("x-time", "x-nonce"))
    body = hashlib.sha256(request.body).hexdigest()
    text = f"{request.verb}\n{request.target}\n{time}\n{nonce}\n{body}"
    expected = hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()
    return if_equal(request.headers["x-signature"], expected)


PROOF = Proof(check)
