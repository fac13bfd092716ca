"""Accounts that a service is connected to: refresh tokens (RFC 6749, 6), each sent once.

What keeps them, in a database, is handed in as ``Connections``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from gateway.bodies import digest
from gateway.errors import CredentialError, CredentialUnavailable
from gateway.masking import Secret

#: What became of a refresh token that brought no new one; ``revoked``: it is taken no more.
Outcome = Literal["unused", "unknown", "revoked"]
REFRESH_SECONDS = 15.0  # for which a refresh token's request may take, whoever waits for it
CLAIM_SECONDS = 2 * REFRESH_SECONDS  # after which its sender has surely ended, or died
#: The settings that make it another account, or another right to it.
IDENTITY = ("grant", "client_id", "token_url", "refresh_token")


@dataclass(frozen=True, slots=True)
class ConnectionKey:
    """Which connection a service uses.

    :param fingerprint: of client, token endpoint and configured refresh token: a change begins
        another connection; the old one stays for who still has the old catalog.
    :param seed: the refresh token that the catalog begins with; None where an admin connects.
    """

    service: str
    fingerprint: str
    seed: Secret | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """The tokens that a token endpoint gave.

    :param life: seconds for which the access token lives; None where the answer does not say.
    :param refresh_token: None where it gave none, so that the old one stays.
    :param refresh_life: seconds for which that lives, where the answer says.
    """

    access_token: Secret
    life: float | None = None
    refresh_token: Secret | None = None
    refresh_life: float | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send a refresh token, which nobody else has meanwhile.

    :param epoch: of the connection: another one each time that it is connected.
    :param version: how often its refresh token was replaced.
    """

    key: ConnectionKey
    id: str
    epoch: str
    version: int
    refresh_token: Secret


class GrantRefused(CredentialError):
    """A token endpoint's answer without a token.

    :ivar outcome: what it means for the refresh token that was sent.
    """

    outcome: Outcome = "unused"

    @classmethod
    def of(cls, refusal: CredentialError, outcome: Outcome) -> GrantRefused:
        error: GrantRefused
        if isinstance(refusal, CredentialUnavailable):
            error = GrantUnavailable(detail=refusal.detail, vendor_code=refusal.vendor_code)
            error.status = refusal.status
            error.retry_after = refusal.retry_after
        else:
            error = cls(detail=refusal.detail, vendor_code=refusal.vendor_code)
        error.outcome = outcome
        return error


class GrantUnavailable(CredentialUnavailable, GrantRefused):
    """The token endpoint failed."""


class RefreshUnderWay(CredentialError):
    """Another worker has the refresh token at this moment."""

    retryable = True
    message = "Another worker is fetching this service's token; ask again in a moment."


class Connections(Protocol):
    """Where connections are kept, for all workers. Safe under threads.

    Everything may raise ``Unavailable``: the database is away.
    """

    def epoch(self, key: ConnectionKey) -> str:
        """Return which connection this is, from memory unless it was asked a while ago.

        :raises CredentialError: there is none.
        """

    def take(self, key: ConnectionKey) -> Claim | Grant:
        """Return the refresh token, committed as this caller's alone; or an access token.

        :raises RefreshUnderWay: another caller has it.
        :raises CredentialError: the account must be connected, or connected again.
        """

    def keep(self, claim: Claim, grant: Grant) -> None:
        """Store what the refresh token brought, and give up the claim, in one transaction."""

    def fail(self, claim: Claim, outcome: Outcome, reason: str) -> None:
        """Give up the claim of a refresh token that brought nothing.

        :param reason: for admins, masked.
        """

    def refuse(self, key: ConnectionKey, access_token: Secret) -> None:
        """Note that the service refused an access token: ``take`` does not return it again."""


class NoConnections(Connections):
    """Stands where nothing keeps connections: a program that has ``gateway`` as a library."""

    def epoch(self, key: ConnectionKey) -> str:
        raise CredentialError(detail="there is no database to keep refresh tokens in")

    def take(self, key: ConnectionKey) -> Claim | Grant:
        raise CredentialError


def connection_key(service: str, base_url: str, auth: Mapping[str, Any]) -> ConnectionKey:
    """Return the key of a service whose signer keeps a refresh token."""
    identity = {name: auth[name] for name in IDENTITY if name in auth}
    host = base_url if str(auth["token_url"]).startswith("/") else ""
    return ConnectionKey(service, digest((host, identity)), auth.get("refresh_token"))
