"""RFC 6750: the token as it is."""

from __future__ import annotations

from tests.gateway.signers.proofs import SECRETS, Proof, header

PROOF = Proof(header("authorization", f"Bearer {SECRETS['TOKEN']}"), signs=False)
