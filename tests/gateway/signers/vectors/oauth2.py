"""RFC 6750: the token that was fetched."""

from __future__ import annotations

from tests.gateway.signers.proofs import GRANT, Proof, header

PROOF = Proof(header("authorization", "Bearer a-token"), signs=False, first=[GRANT])
