"""The sorted parameters with the key behind them, hashed here once more."""

from __future__ import annotations

import hashlib

from tests.gateway.signers.proofs import SECRET, Proof, SentRequest, if_equal


def check(request: SentRequest) -> str | None:
    pairs = sorted((name, value) for name, value in request.values if value and name != "sign")
    text = "&".join(f"{name}={value}" for name, value in pairs) + f"&key={SECRET}"
    expected = hashlib.sha256(text.encode()).hexdigest().upper()
    return if_equal(dict(request.values).get("sign"), expected)


PROOF = Proof(check)
