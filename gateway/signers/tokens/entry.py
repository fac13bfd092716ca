"""What one process holds of one token, and what a call brings along to renew it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from gateway.bodies import digest
from gateway.errors import GatewayError
from gateway.masking import Secret
from gateway.signers.tokens.shared import Token

# By which one token's expiry may seem to move, because clocks are set right now and then.
CLOCK_STEP_SECONDS = 1.0
EPOCH_MARK = "#"  # in a token's name, before which connection it is of

Fetch = Callable[[], tuple[Secret, float]]
Note = Callable[[str], None]


def token_name(service: str, base_url: str, auth: Mapping[str, Any]) -> str:
    """Return the store key of a service's token.

    Another secret makes another name, and no secret can be read from one.
    """
    return f"token:{digest((service, base_url, auth))}"


@dataclass(slots=True)
class Entry:
    """One name's state in this process.

    :ivar refused: the last token that the vendor refused.
    :ivar renewal: the outcome of the renewal that runs, if one does.
    """

    token: Token | None = None
    refused: Token | None = None
    renewal: Future[Token | GatewayError] | None = None

    def usable(self, now: float) -> Token | None:
        return self.token if self.token and now < self.token.expires_at else None

    def has_refused(self, token: Token) -> bool:
        """Return whether the vendor refused this token or a newer one.

        A text that the vendor gives out once more, later, is another token.
        """
        if self.refused is None:
            return False
        tolerance = CLOCK_STEP_SECONDS if token.value == self.refused.value else 0
        return token.expires_at < self.refused.expires_at + tolerance

    def accept(self, token: Token | None, now: float) -> Token | None:
        """Return the token, unless it has expired or was refused."""
        if token is None or now >= token.expires_at or self.has_refused(token):
            return None
        return token


@dataclass(frozen=True, slots=True)
class Renewal:
    """What one call brings along to renew a token."""

    name: str
    entry: Entry
    fetch: Fetch
    deadline: float
    note: Note
    outcome: Future[Token | GatewayError] = field(default_factory=Future)
