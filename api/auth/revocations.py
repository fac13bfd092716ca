"""Access tokens that are revoked before their time: known to every worker at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock
from gateway.errors import StoreUnavailable
from gateway.stores import Store
from models import Database, RevokedToken

COMPLETE_KEY = "revocations"  # holds when the store had all revocations, in Unix seconds
COMPLETE_TTL_SECONDS = 30 * 86400
#: All are copied again after it: a worker may have died between its commit and the store.
RELOAD_SECONDS = 60
#: The same for a store that is this process's own: others, such as commands, cannot write to it.
LOCAL_RELOAD_SECONDS = 1
LOAD_SECONDS = 5  # until another worker tries, should the one that copies them fail
MAX_REVOCATIONS_PER_WRITE = 500


class Revocations:
    """Tells whether a token was revoked, on every request; kept in the database over any restart.

    :param closed: while the store is away nobody knows; otherwise the database is asked.
    :param reload_seconds: after which what others have written to the database alone is known.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        clock: Clock,
        *,
        closed: bool,
        reload_seconds: float = RELOAD_SECONDS,
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._closed = closed
        self._reload_seconds = reload_seconds

    def __contains__(self, jti: str) -> bool:
        """Return whether a token was revoked.

        :raises StoreUnavailable: nobody knows now.
        """
        try:
            complete, mark = self._store.get_many(COMPLETE_KEY, _key(jti))
            if mark is not None:
                return True
            age = math.inf if complete is None else self._clock.wall() - float(complete)
            if age < self._reload_seconds:
                return False
            self._load()
            if complete is not None:
                return self._store.get(_key(jti)) is not None
        except StoreUnavailable:
            if self._closed:
                raise
        return self._is_in_database(jti)

    def add(self, tokens: Sequence[RevokedToken]) -> bool:
        """Refuse these tokens from now on. The caller's transaction has written their rows.

        Return whether the store has them; otherwise it gets them once it is back.
        """
        try:
            self._put(tokens)
        except StoreUnavailable:
            self._store.forget(COMPLETE_KEY)
            return False
        return True

    def _is_in_database(self, jti: str) -> bool:
        with self._database.read_session() as session:
            return session.get(RevokedToken, jti) is not None

    def _load(self) -> None:
        """Copy all revocations from the database into the store, unless another worker does."""
        with self._store.lock(COMPLETE_KEY, LOAD_SECONDS) as lock:
            if lock.fence is None:
                return
            began = self._clock.wall()
            try:
                rows = self._valid_revocations(began)
            except SQLAlchemyError:
                lock.keep()  # not every request shall try
                return
            for first in range(0, len(rows), MAX_REVOCATIONS_PER_WRITE):
                self._put(rows[first : first + MAX_REVOCATIONS_PER_WRITE])
            self._store.set(COMPLETE_KEY, str(began).encode(), COMPLETE_TTL_SECONDS)

    def _valid_revocations(self, now: float) -> Sequence[RevokedToken]:
        """Return those of tokens that would still be valid."""
        unexpired = RevokedToken.expires_at > datetime.fromtimestamp(now, UTC)
        with self._database.read_session() as session:
            return session.scalars(sa.select(RevokedToken).where(unexpired)).all()

    def _put(self, tokens: Sequence[RevokedToken]) -> None:
        if not tokens:
            return
        last_expiry = max(token.expires_at.timestamp() for token in tokens)
        marks = {_key(token.jti): b"1" for token in tokens}
        self._store.set_many(marks, last_expiry - self._clock.wall())


def _key(jti: str) -> str:
    return f"revoked:{jti}"
