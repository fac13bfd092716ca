"""The key as it is, in the query."""

from __future__ import annotations

from tests.gateway.signers.proofs import SECRET, Proof, query

PROOF = Proof(query("key", SECRET), signs=False)
