"""The merchant's public key verifies the signature of verb, target, time, nonce and body."""

from __future__ import annotations

import re

from sandbox.keys import MERCHANT_PUBLIC_KEY
from sandbox.rsa import verify_rsa
from tests.gateway.signers.proofs import Proof, SentRequest


def check(request: SentRequest) -> str | None:
    pairs = dict(re.findall(r'([a-z_]+)="([^"]*)"', request.headers["authorization"]))
    lines = (request.verb, request.target, pairs["timestamp"], pairs["nonce_str"])
    text = "".join(f"{line}\n" for line in lines).encode() + request.body + b"\n"
    signature = pairs["signature"]
    return signature if verify_rsa(MERCHANT_PUBLIC_KEY, signature, text) else None


PROOF = Proof(check)
