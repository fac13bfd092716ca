"""The merchant's public key verifies the signature of the sorted parameters."""

from __future__ import annotations

from urllib.parse import parse_qsl

from sandbox.keys import MERCHANT_PUBLIC_KEY
from sandbox.rsa import verify_rsa
from tests.gateway.signers.proofs import Proof, SentRequest


def check(request: SentRequest) -> str | None:
    pairs = request.query + parse_qsl(request.body.decode())
    text = "&".join(f"{name}={value}" for name, value in sorted(pairs) if name != "sign")
    signature = dict(pairs)["sign"]
    return signature if verify_rsa(MERCHANT_PUBLIC_KEY, signature, text.encode()) else None


PROOF = Proof(check, nonce=False)
