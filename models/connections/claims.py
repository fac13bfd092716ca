"""What becomes of a connection's row, which the vault has locked, as its tokens come and go."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Protocol

from gateway.clock import Clock
from gateway.errors import CredentialError
from gateway.masking import Secret
from gateway.signers.token_auth.answer import DEFAULT_LIFE_SECONDS
from gateway.signers.tokens.connection_store import (
    CLAIM_SECONDS,
    Claim,
    ConnectionKey,
    Grant,
    Outcome,
    RefreshUnderWay,
)
from models.connections import CONNECTED, NOT_CONNECTED, RECONNECT, AccountConnection

# What must be left of an access token's life for it to be used where a refresh brings another: more
# than the share at which tokens are renewed.
MIN_ACCESS_SHARE = 0.15
MIN_ACCESS_SECONDS = 30.0
MAX_ERROR_CHARACTERS = 500
PROCESS_ENDED = "the process that had sent the refresh token ended before the answer was stored"
UNREADABLE = "its refresh token is sealed with a key that is gone"
NO_REFRESH_TOKEN = "its access token has ended, and the vendor gave no refresh token"  # noqa: S105


class Seal(Protocol):
    """Encrypts what is kept."""

    def seal(self, secret: Secret) -> str: ...
    def unseal(self, sealed: str) -> Secret | None: ...


class Claims:
    """Changes rows of connections by what happens to their tokens."""

    def __init__(self, seal: Seal, clock: Clock) -> None:
        self._seal = seal
        self._clock = clock

    def begin(self, key: ConnectionKey, seed: Secret) -> AccountConnection:
        """Return a row that begins with the catalog's refresh token."""
        return AccountConnection(
            service=key.service,
            fingerprint=key.fingerprint,
            state=CONNECTED,
            epoch=uuid.uuid4().hex,
            refresh_token=self._seal.seal(seed),
            connected_by="catalog",
            connected_at=self._now(),
            version=1,
        )

    def connect(self, row: AccountConnection, grant: Grant, connected_by: str) -> None:
        """Begin anew with what an admin brought from the vendor's page."""
        row.clear(CONNECTED)
        row.epoch = uuid.uuid4().hex
        row.connected_by = connected_by
        row.connected_at = self._now()
        row.last_refreshed_at = None
        row.last_error = None
        row.version = 1
        self._set_access_token(row, grant)
        self._set_refresh_token(row, grant)

    def take(self, row: AccountConnection, key: ConnectionKey) -> Claim | Grant | CredentialError:
        """Change the row for whoever takes it; return an error that is raised once that is kept."""
        now = self._now()
        if row.state == NOT_CONNECTED:
            return not_connected_error(key)
        if grant := self._access_token(row, now):
            return grant
        if row.state == RECONNECT:
            return _reconnect_error(key)
        if row.claim and row.claimed_until and now < row.claimed_until:
            return RefreshUnderWay()
        if row.claim and row.rotates is not False:
            row.lose(PROCESS_ENDED)
            return _reconnect_error(key)
        if row.refresh_token is None:
            row.lose(NO_REFRESH_TOKEN)
            return _reconnect_error(key)
        refresh_token = self._seal.unseal(row.refresh_token)
        if refresh_token is None:
            row.lose(UNREADABLE)
            return _reconnect_error(key)
        row.claim = uuid.uuid4().hex
        row.claimed_until = now + timedelta(seconds=CLAIM_SECONDS)
        return Claim(key, row.claim, row.epoch, row.version, refresh_token)

    def _access_token(self, row: AccountConnection, now: datetime) -> Grant | None:
        """Return the newest access token, which others may not have seen, while it can be used."""
        access_token = row.access_token and self._seal.unseal(row.access_token)
        if not access_token:
            return None
        if row.access_expires_at is None:
            return Grant(access_token)
        life = (row.access_expires_at - now).total_seconds()
        began = row.last_refreshed_at or row.connected_at or now
        whole_life = (row.access_expires_at - began).total_seconds()
        is_old = life < max(MIN_ACCESS_SECONDS, MIN_ACCESS_SHARE * whole_life)
        if life <= 0 or (is_old and row.refresh_token and row.state == CONNECTED):
            return None
        return Grant(access_token, life)

    def keep(self, row: AccountConnection, claim: Claim, grant: Grant) -> None:
        """Store it unless an admin has connected anew, or a later claim has brought more.

        A claim that was given up for lost is good again: its answer was only late.
        """
        if (row.epoch, row.version) != (claim.epoch, claim.version):
            return
        now = self._now()
        row.state = CONNECTED
        row.claim = None
        row.claimed_until = None
        row.last_error = None
        row.last_refreshed_at = now
        self._set_access_token(row, grant)
        row.version += 1
        is_same = grant.refresh_token in (None, claim.refresh_token)
        row.rotates = bool(row.rotates) or not is_same
        self._set_refresh_token(row, grant)

    def fail(self, row: AccountConnection, claim: Claim, outcome: Outcome, reason: str) -> None:
        if (row.epoch, row.claim) != (claim.epoch, claim.id):
            return
        row.claim = None
        row.claimed_until = None
        row.last_error = reason[:MAX_ERROR_CHARACTERS]
        if outcome == "revoked" or (outcome == "unknown" and row.rotates is not False):
            row.state = RECONNECT
        else:
            row.state = CONNECTED  # again, where the claim was given up for lost meanwhile

    def refuse(self, row: AccountConnection, access_token: Secret) -> None:
        """Forget an access token that the vendor does not take."""
        if row.access_token and self._seal.unseal(row.access_token) == access_token:
            row.access_token = None
            if row.refresh_token is None:
                row.lose("the vendor refused its access token, and gave no refresh token")

    def _set_access_token(self, row: AccountConnection, grant: Grant) -> None:
        life = grant.life
        if life is None and (grant.refresh_token or row.refresh_token):
            life = DEFAULT_LIFE_SECONDS  # without a refresh token it serves until it is refused
        row.access_token = self._seal.seal(grant.access_token)
        row.access_expires_at = _after(self._now(), life)

    def _set_refresh_token(self, row: AccountConnection, grant: Grant) -> None:
        if grant.refresh_token:
            row.refresh_token = self._seal.seal(grant.refresh_token)
        if grant.refresh_token or grant.refresh_life:
            row.expires_at = _after(self._now(), grant.refresh_life)
        if grant.scope:
            row.scope = grant.scope

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall(), UTC)


def _after(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)


def not_connected_error(key: ConnectionKey) -> CredentialError:
    if key.seed:
        return CredentialError(
            "This service was disconnected; it needs another refresh token in the catalog."
        )
    return CredentialError(
        f"This service's account is not connected yet; an admin does that: flask connect"
        f" {key.service}, or the console."
    )


def _reconnect_error(key: ConnectionKey) -> CredentialError:
    if key.seed:
        return CredentialError(
            "This service's refresh token is used up or revoked; an admin puts a new one into the"
            " catalog."
        )
    return CredentialError(
        f"This service's account must be connected again; an admin does that: flask connect"
        f" {key.service}, or the console."
    )
