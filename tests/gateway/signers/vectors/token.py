"""The token that was fetched, in a header with a word before it."""

from __future__ import annotations

from tests.gateway.signers.proofs import GRANT, Proof, header

PROOF = Proof(header("x-token", "Token a-token"), signs=False, first=[GRANT])
