"""The connections that the gateway refreshes, in the database: one commit before a refresh token
is sent, one after.

vault = ConnectionVault(database, seal, clock)
claim = vault.take(key)
vault.keep(claim, grant)
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway.clock import Clock
from gateway.errors import CredentialError, Unavailable
from gateway.masking import Secret
from gateway.signers.token_auth.answer import DEFAULT_LIFE_SECONDS
from gateway.signers.tokens.connections import (
    CLAIM_SECONDS,
    Claim,
    ConnectionKey,
    Grant,
    Outcome,
    RefreshUnderWay,
)
from models.connections import CONNECTED, NOT_CONNECTED, RECONNECT, AccountConnection
from models.database import Database, locks

MAX_AGE_SECONDS = 1.0  # after which what another process did to a connection counts here
# What must be left of an access token's life for it to be used where a refresh brings another: more
# than the share at which tokens are renewed.
MIN_ACCESS_SHARE = 0.15
MIN_ACCESS_SECONDS = 30.0
WRITE_TRIES = 2  # a COMMIT that was not answered is looked up by the second
MAX_ERROR_CHARACTERS = 500

Note = Callable[[Session], None]
DIED = "the process that had sent the refresh token ended before the answer was stored"
SEAL_LOST = "its refresh token is sealed with a key that is gone"
NO_REFRESH_TOKEN = "its access token has ended, and the vendor gave no refresh token"  # noqa: S105


class Seal(Protocol):
    """Encrypts what is kept."""

    def seal(self, secret: Secret) -> str: ...
    def unseal(self, sealed: str) -> Secret | None: ...


@dataclass(frozen=True, slots=True)
class _Seen:
    """A connection's state as of a moment ago."""

    state: str
    epoch: str
    expires_at: float


class ConnectionVault:
    """Keeps connections for the gateway (``gateway.signers.tokens.connections.Connections``)."""

    def __init__(self, database: Database, seal: Seal, clock: Clock) -> None:
        self._database = database
        self._seal = seal
        self._clock = clock
        self._seen: dict[ConnectionKey, _Seen] = {}
        self._lock = threading.Lock()

    def epoch(self, key: ConnectionKey) -> str:
        seen = self._seen.get(key)
        if seen is None or self._clock.now() >= seen.expires_at:
            seen = self._look(key, seen)
        if seen.state == NOT_CONNECTED:
            raise _not_connected(key)
        return seen.epoch

    def take(self, key: ConnectionKey) -> Claim | Grant:
        with self._write() as session:
            row = self._row(session, key)
            taken = self._take(row, key)
        # Raised behind the commit, which the row's new state needs.
        if isinstance(taken, CredentialError):
            self._forget(key)
            raise taken.copy()  # not itself: this frame holds it
        return taken

    def keep(self, claim: Claim, grant: Grant) -> None:
        self._insist(lambda session: self._keep(session, claim, grant))

    def fail(self, claim: Claim, outcome: Outcome, reason: str) -> None:
        self._insist(lambda session: self._fail(session, claim, outcome, reason))
        self._forget(claim.key)

    def refuse(self, key: ConnectionKey, access_token: Secret) -> None:
        with self._write() as session:
            row = self._row(session, key)
            if row.access_token and self._seal.unseal(row.access_token) == access_token:
                row.access_token = None
                if row.refresh_token is None:
                    row.lose("the vendor refused its access token, and gave no refresh token")

    def connect(self, key: ConnectionKey, grant: Grant, connected_by: str, note: Note) -> None:
        """Store what an admin brought from the vendor's page, in the place of what was there.

        :param note: writes it down in the same transaction.
        """
        now = self._now()
        with self._write() as session:
            self._clear_service(session, key.service)
            row = AccountConnection.by_key(session, key.service, key.fingerprint, lock=True)
            if row is None:
                row = AccountConnection(service=key.service, fingerprint=key.fingerprint)
                session.add(row)
            row.clear(CONNECTED)
            row.epoch = uuid.uuid4().hex
            row.connected_by = connected_by
            row.connected_at = now
            row.last_refreshed_at = None
            row.last_error = None
            row.version = 1
            self._set_access_token(row, grant)
            self._set_refresh_token(row, grant)
            note(session)
        self._forget(key)

    def disconnect(self, service: str, note: Note) -> bool:
        """Forget the tokens of a service; return whether there were some.

        :param note: writes it down in the same transaction, if there were.
        """
        with self._write() as session:
            count = self._clear_service(session, service)
            if count:
                note(session)
        self._seen.clear()
        return count > 0

    def find(self, key: ConnectionKey) -> AccountConnection | None:
        """Return the row, to be read; None where nothing was ever connected.

        :raises SQLAlchemyError: the database does not answer.
        """
        with self._database.read_session() as session:
            return AccountConnection.by_key(session, key.service, key.fingerprint)

    def _look(self, key: ConnectionKey, seen: _Seen | None) -> _Seen:
        """Read the state anew; while the database is away, what was seen last counts."""
        query = select(AccountConnection.state, AccountConnection.epoch).where(
            AccountConnection.service == key.service,
            AccountConnection.fingerprint == key.fingerprint,
        )
        try:
            with self._database.read_connection() as connection:
                row = connection.execute(query).one_or_none()
        except SQLAlchemyError as error:
            if seen is None:
                raise _away(error) from error
            row = None
        else:
            seen = None
        if row:
            seen = _Seen(row.state, row.epoch, self._clock.now() + MAX_AGE_SECONDS)
        elif seen is None:
            seen = self._plant(key)
        with self._lock:
            self._seen[key] = seen
        return seen

    def _plant(self, key: ConnectionKey) -> _Seen:
        """Begin with the catalog's refresh token, where there is one."""
        state = NOT_CONNECTED
        epoch = ""
        if key.seed:
            with self._write() as session:
                row = self._row(session, key)
                state = row.state
                epoch = row.epoch
        return _Seen(state, epoch, self._clock.now() + MAX_AGE_SECONDS)

    def _row(self, session: Session, key: ConnectionKey) -> AccountConnection:
        """Return the row, locked; made at first from the catalog's refresh token.

        :raises CredentialError: there is neither.
        """
        row = AccountConnection.by_key(session, key.service, key.fingerprint, lock=True)
        if row is not None:
            return row
        if key.seed is None:
            raise _not_connected(key)
        locks.lock_name(session, f"connection:{key.service}")
        row = AccountConnection.by_key(session, key.service, key.fingerprint, lock=True)
        if row is not None:
            return row  # another worker was first
        row = AccountConnection(
            service=key.service,
            fingerprint=key.fingerprint,
            state=CONNECTED,
            epoch=uuid.uuid4().hex,
            refresh_token=self._seal.seal(key.seed),
            connected_by="catalog",
            connected_at=self._now(),
            version=1,
        )
        session.add(row)
        session.flush()
        return row

    def _take(self, row: AccountConnection, key: ConnectionKey) -> Claim | Grant | CredentialError:
        """Change the row for whoever takes it; return an error that is raised once that is kept."""
        now = self._now()
        if row.state == NOT_CONNECTED:
            return _not_connected(key)
        if grant := self._access_token(row, now):
            return grant
        if row.state == RECONNECT:
            return _must_reconnect(key)
        if row.claim and row.claimed_until and now < row.claimed_until:
            return RefreshUnderWay()
        if row.claim and row.rotates is not False:
            row.lose(DIED)
            return _must_reconnect(key)
        if row.refresh_token is None:
            row.lose(NO_REFRESH_TOKEN)
            return _must_reconnect(key)
        refresh_token = self._seal.unseal(row.refresh_token)
        if refresh_token is None:
            row.lose(SEAL_LOST)
            return _must_reconnect(key)
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

    def _keep(self, session: Session, claim: Claim, grant: Grant) -> None:
        """Do it unless an admin has connected anew, or a later claim has brought more.

        A claim that was given up for lost is good again: its answer was only late.
        """
        row = AccountConnection.by_key(session, claim.key.service, claim.key.fingerprint, lock=True)
        if row is None or (row.epoch, row.version) != (claim.epoch, claim.version):
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

    def _fail(self, session: Session, claim: Claim, outcome: Outcome, reason: str) -> None:
        row = AccountConnection.by_key(session, claim.key.service, claim.key.fingerprint, lock=True)
        if row is None or (row.epoch, row.claim) != (claim.epoch, claim.id):
            return
        row.claim = None
        row.claimed_until = None
        row.last_error = reason[:MAX_ERROR_CHARACTERS]
        if outcome == "revoked" or (outcome == "unknown" and row.rotates is not False):
            row.state = RECONNECT
        else:
            row.state = CONNECTED  # again, where the claim was given up for lost meanwhile

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

    def _clear_service(self, session: Session, service: str) -> int:
        """Forget the tokens of all of a service's rows, those of older catalogs included."""
        count = 0
        for row in session.scalars(
            select(AccountConnection).where(AccountConnection.service == service).with_for_update()
        ):
            count += row.state != NOT_CONNECTED
            row.clear(NOT_CONNECTED)
            row.epoch = uuid.uuid4().hex
        return count

    def _insist(self, write: Callable[[Session], None]) -> None:
        """Write twice where the first time is not known to have been stored: both do the same."""
        for tries_left in reversed(range(WRITE_TRIES)):
            try:
                with self._write() as session:
                    write(session)
                return
            except Unavailable:
                if not tries_left:
                    raise

    def _forget(self, key: ConnectionKey) -> None:
        with self._lock:
            self._seen.pop(key, None)

    @contextmanager
    def _write(self) -> Iterator[Session]:
        """
        :raises Unavailable: the database is away.
        """
        try:
            with self._database.write_session() as session:
                yield session
        except SQLAlchemyError as error:
            raise _away(error) from error

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall(), UTC)


def _after(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)


def _not_connected(key: ConnectionKey) -> CredentialError:
    if key.seed:
        return CredentialError(
            "This service was disconnected; it needs another refresh token in the catalog."
        )
    return CredentialError(
        f"This service's account is not connected yet; an admin does that: flask connect"
        f" {key.service}, or the console."
    )


def _must_reconnect(key: ConnectionKey) -> CredentialError:
    if key.seed:
        return CredentialError(
            "This service's refresh token is used up or revoked; an admin puts a new one into the"
            " catalog."
        )
    return CredentialError(
        f"This service's account must be connected again; an admin does that: flask connect"
        f" {key.service}, or the console."
    )


def _away(error: SQLAlchemyError) -> Unavailable:
    cause = getattr(error, "orig", None) or error
    return Unavailable(
        "The database cannot be asked now; try again.",
        retry_after=1,
        detail=f"database: {type(cause).__name__}",
    )
