"""Access tokens that were ended early: asked about on every request, and remembered over a restart."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import select

from gateway.clock import Clock
from gateway.stores import Store
from models import Database, RevokedToken


class Revocations:
    """Answers from the store; the database fills it before the first question."""

    def __init__(self, database: Database, store: Store, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._loaded = False
        self._lock = threading.Lock()

    def __contains__(self, jti: str) -> bool:
        if not self._loaded:
            self._load()
        return self._store.get(_key(jti)) is not None

    def add(self, tokens: Iterable[RevokedToken]) -> None:
        """Refuse these from now on. They are rows already: the caller's transaction wrote them."""
        for token in tokens:
            left = token.expires_at.timestamp() - self._clock.wall()
            self._store.set(_key(token.jti), b"1", left)

    def _load(self) -> None:
        with self._lock:
            if self._loaded:
                return
            running = RevokedToken.expires_at > datetime.fromtimestamp(self._clock.wall(), UTC)
            with self._database.reading() as session:
                self.add(session.scalars(select(RevokedToken).where(running)).all())
            self._loaded = True


def _key(jti: str) -> str:
    return f"revoked:{jti}"
