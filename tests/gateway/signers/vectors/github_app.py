"""The installation's token that was fetched."""

from __future__ import annotations

from tests.gateway.fakes import answer
from tests.gateway.signers.proofs import Proof, header

GRANT = answer(b'{"token": "ghs_a-token", "expires_at": "2999-01-01T00:00:00Z"}', "201 Created")
PROOF = Proof(header("authorization", "Bearer ghs_a-token"), signs=False, first=[GRANT])
