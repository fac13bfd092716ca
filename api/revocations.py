"""Access tokens that were ended early: asked about on every request, and remembered over any restart.

The database knows them all. The store, which every worker asks, knows them as long as it also holds a mark that says
so: without it (the store is new, was restarted empty, or missed one while it was away) the database is asked, until
one worker has put everything there again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock
from gateway.errors import StoreAway
from gateway.stores import Store
from models import Database, RevokedToken

COMPLETE = "revocations"  # the mark: when everything was put there, Unix seconds
KEPT = 30 * 86400  # seconds
# Seconds, after which everything is put there again: a worker may have died between its commit and the store.
LOOK_AGAIN = 60
LOADING = 5  # seconds until another worker tries, should the one that puts it there fail
AT_ONCE = 500


class Revocations:
    """Whether a token was ended early.

    :param closed: while the store is away it cannot be told; otherwise the database is asked.
    """

    def __init__(self, database: Database, store: Store, clock: Clock, *, closed: bool) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._closed = closed

    def __contains__(self, jti: str) -> bool:
        """:raises StoreAway: it cannot be told now."""
        try:
            complete, found = self._store.get_many(COMPLETE, _key(jti))
            if found is not None:
                return True
            if complete is None or self._clock.wall() - float(complete) > LOOK_AGAIN:
                self._load()
        except StoreAway:
            if self._closed:
                raise
            complete = None
        return complete is None and self._recorded(jti)

    def add(self, tokens: Sequence[RevokedToken]) -> None:
        """Refuse these from now on. They are rows already: the caller's transaction wrote them."""
        try:
            self._put(tokens)
        except StoreAway:
            self._store.forget(COMPLETE)

    def _recorded(self, jti: str) -> bool:
        with self._database.reading() as session:
            return session.get(RevokedToken, jti) is not None

    def _load(self) -> None:
        """Put everything there, unless another worker does."""
        fence = self._store.acquire(COMPLETE, LOADING)
        if fence is None:
            return
        began = self._clock.wall()
        running = RevokedToken.expires_at > datetime.fromtimestamp(began, UTC)
        with suppress(SQLAlchemyError):  # the lock is kept then: not every request shall try
            with self._database.reading() as session:
                rows = session.scalars(select(RevokedToken).where(running)).all()
            for first in range(0, len(rows), AT_ONCE):
                self._put(rows[first : first + AT_ONCE])
            self._store.set(COMPLETE, str(began).encode(), KEPT)
            self._store.release(COMPLETE, fence)

    def _put(self, tokens: Sequence[RevokedToken]) -> None:
        if tokens:
            last = max(token.expires_at.timestamp() for token in tokens)
            self._store.set_many({_key(token.jti): b"1" for token in tokens}, last - self._clock.wall())


def _key(jti: str) -> str:
    return f"revoked:{jti}"
