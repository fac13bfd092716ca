"""Nothing is sent, and nothing is checked."""

from __future__ import annotations

from tests.gateway.signers.proofs import Proof

PROOF = Proof(lambda request: "", signs=False)
