"""Connections that the gateway refreshes: one commit before a refresh token is sent, one after.

claim = vault.take(key)
vault.keep(claim, grant)
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway.clock import Clock
from gateway.errors import CredentialError, Unavailable
from gateway.masking import Secret
from gateway.signers.tokens.connection_store import Claim, ConnectionKey, Grant, Outcome
from models.connections import NOT_CONNECTED, AccountConnection
from models.connections.claims import Claims, Seal, not_connected_error
from models.database import Database, locks

MAX_AGE_SECONDS = 1.0  # after which what another process did to a connection counts here
WRITE_TRIES = 2  # a COMMIT that was not answered is looked up by the second

Note = Callable[[Session], None]


@dataclass(frozen=True, slots=True)
class _State:
    """A connection's state as of a moment ago."""

    state: str
    epoch: str
    expires_at: float


class ConnectionVault:
    """The ``gateway.signers.tokens.connection_store.Connections`` of a database."""

    def __init__(self, database: Database, seal: Seal, clock: Clock) -> None:
        self._database = database
        self._claims = Claims(seal, clock)
        self._clock = clock
        self._states: dict[ConnectionKey, _State] = {}
        self._lock = threading.Lock()

    def epoch(self, key: ConnectionKey) -> str:
        state = self._states.get(key)
        if state is None or self._clock.now() >= state.expires_at:
            state = self._read_state(key, state)
        if state.state == NOT_CONNECTED:
            raise not_connected_error(key)
        return state.epoch

    def take(self, key: ConnectionKey) -> Claim | Grant:
        with self._write() as session:
            row = self._row(session, key)
            outcome = self._claims.take(row, key)
        # Raised behind the commit, which the row's new state needs.
        if isinstance(outcome, CredentialError):
            self._forget(key)
            raise outcome.copy()  # not itself: this frame holds it
        return outcome

    def keep(self, claim: Claim, grant: Grant) -> None:
        self._change_row(claim.key, lambda row: self._claims.keep(row, claim, grant))

    def fail(self, claim: Claim, outcome: Outcome, reason: str) -> None:
        self._change_row(claim.key, lambda row: self._claims.fail(row, claim, outcome, reason))
        self._forget(claim.key)

    def refuse(self, key: ConnectionKey, access_token: Secret) -> None:
        with self._write() as session:
            row = self._row(session, key)
            self._claims.refuse(row, access_token)

    def connect(self, key: ConnectionKey, grant: Grant, connected_by: str, note: Note) -> None:
        """Store what an admin brought, over what was there; ``note`` joins the transaction."""
        with self._write() as session:
            self._clear_service(session, key.service)
            row = AccountConnection.by_key(session, key, lock=True)
            if row is None:
                row = AccountConnection(service=key.service, fingerprint=key.fingerprint)
                session.add(row)
            self._claims.connect(row, grant, connected_by)
            note(session)
        self._forget(key)

    def disconnect(self, service: str, note: Note) -> bool:
        """Forget a service's tokens; if there were some, run ``note`` and return true."""
        with self._write() as session:
            count = self._clear_service(session, service)
            if count:
                note(session)
        self._states.clear()
        return count > 0

    def find(self, key: ConnectionKey) -> AccountConnection | None:
        """Return the row, to be read; None where nothing was ever connected.

        :raises SQLAlchemyError: the database does not answer.
        """
        with self._database.read_session() as session:
            return AccountConnection.by_key(session, key)

    def _read_state(self, key: ConnectionKey, stale: _State | None) -> _State:
        """Read the state anew; while the database is away, the last one counts."""
        query = sa.select(AccountConnection.state, AccountConnection.epoch).where(
            AccountConnection.service == key.service,
            AccountConnection.fingerprint == key.fingerprint,
        )
        try:
            with self._database.read_connection() as connection:
                row = connection.execute(query).one_or_none()
        except SQLAlchemyError as error:
            if stale is None:
                raise _away(error) from error
            return stale
        if row:
            state = _State(row.state, row.epoch, self._clock.now() + MAX_AGE_SECONDS)
        else:
            state = self._initial_state(key)
        with self._lock:
            self._states[key] = state
        return state

    def _initial_state(self, key: ConnectionKey) -> _State:
        """Begin with the catalog's refresh token, where there is one."""
        state = NOT_CONNECTED
        epoch = ""
        if key.seed:
            with self._write() as session:
                row = self._row(session, key)
                state = row.state
                epoch = row.epoch
        return _State(state, epoch, self._clock.now() + MAX_AGE_SECONDS)

    def _row(self, session: Session, key: ConnectionKey) -> AccountConnection:
        """Return the row, locked; made at first from the catalog's refresh token.

        :raises CredentialError: there is neither.
        """
        row = AccountConnection.by_key(session, key, lock=True)
        if row is not None:
            return row
        if key.seed is None:
            raise not_connected_error(key)
        locks.lock_name(session, f"connection:{key.service}")
        row = AccountConnection.by_key(session, key, lock=True)
        if row is not None:
            return row  # another worker was first
        row = self._claims.begin(key, key.seed)
        session.add(row)
        session.flush()
        return row

    def _clear_service(self, session: Session, service: str) -> int:
        """Forget the tokens of all of a service's rows, those of older catalogs included."""
        query = sa.select(AccountConnection).where(AccountConnection.service == service)
        count = 0
        for row in session.scalars(query.with_for_update()):
            count += row.state != NOT_CONNECTED
            row.clear(NOT_CONNECTED)
            row.epoch = uuid.uuid4().hex
        return count

    def _change_row(self, key: ConnectionKey, change: Callable[[AccountConnection], None]) -> None:
        """Write twice where the first time is not known to have been stored: both do the same."""
        for tries_left in reversed(range(WRITE_TRIES)):
            try:
                with self._write() as session:
                    row = AccountConnection.by_key(session, key, lock=True)
                    if row is not None:
                        change(row)
                return
            except Unavailable:
                if not tries_left:
                    raise

    def _forget(self, key: ConnectionKey) -> None:
        with self._lock:
            self._states.pop(key, None)

    @contextmanager
    def _write(self) -> Iterator[Session]:
        """:raises Unavailable: the database is away."""
        try:
            with self._database.write_session() as session:
                yield session
        except SQLAlchemyError as error:
            raise _away(error) from error


def _away(error: SQLAlchemyError) -> Unavailable:
    cause = getattr(error, "orig", None) or error
    return Unavailable(
        "The database cannot be asked now; try again.",
        retry_after=1,
        detail=f"database: {type(cause).__name__}",
    )
