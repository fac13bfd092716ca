"""The token that was fetched, in the query."""

from __future__ import annotations

from tests.gateway.signers.proofs import GRANT, Proof, query

PROOF = Proof(query("access_token", "a-token"), signs=False, first=[GRANT])
