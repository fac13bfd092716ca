"""RFC 7617: base64 of name and password, in UTF-8."""

from __future__ import annotations

from base64 import b64encode

from tests.gateway.signers.proofs import SECRET, Proof, header

CREDENTIALS = b64encode(f"ann:{SECRET}".encode()).decode()
PROOF = Proof(header("authorization", f"Basic {CREDENTIALS}"), signs=False)
