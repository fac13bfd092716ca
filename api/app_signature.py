"""How an app's signature over a request is made; what is checked and what is explained are one thing."""

from __future__ import annotations

import hashlib
import hmac

from gateway.masking import Secret


def signed_text(verb: str, target: str, timestamp: str, nonce: str, body_hash: str) -> bytes:
    """What is signed.

    :param target: path and query, as on the wire (Latin-1).
    :param body_hash: SHA-256 in lower-case hex.
    """
    return "\n".join((verb, target, timestamp, nonce, body_hash)).encode("latin-1")


def signature_of(secret: Secret, signed: bytes) -> str:
    return hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest()
