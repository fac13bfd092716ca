"""An account that an admin has connected, for catalogs whose grant is ``authorization_code``."""

from __future__ import annotations

from gateway.masking import Secret
from gateway.signers.tokens.connection_store import Claim, ConnectionKey, Grant, Outcome

#: What the vendor gave when the account was connected.
REFRESH_TOKEN = "refresh-token-of-the-vendor"


class Account:
    """Keeps one connection, in memory, as ``gateway.signers.tokens.connection_store.Connections`` has it."""

    def __init__(self) -> None:
        self._refresh_token = Secret(REFRESH_TOKEN)
        self._grant: Grant | None = None

    def epoch(self, key: ConnectionKey) -> str:
        return "1"

    def take(self, key: ConnectionKey) -> Claim | Grant:
        return self._grant or Claim(key, "1", "1", 1, self._refresh_token)

    def keep(self, claim: Claim, grant: Grant) -> None:
        self._grant = grant

    def fail(self, claim: Claim, outcome: Outcome, reason: str) -> None:
        raise AssertionError(reason)

    def refuse(self, key: ConnectionKey, access_token: Secret) -> None:
        self._grant = None
