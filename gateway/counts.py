"""Counting that all workers share, and that each goes on with by itself while the store is away."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from gateway.clock import Clock
from gateway.errors import StoreAway
from gateway.parts import Parts
from gateway.rates import Bucket, Turn
from gateway.stores import MemoryStore, Store


class Counts:
    """``Store``'s ``take``, ``enter``, ``extend`` and ``leave``; none of them raises ``StoreAway``."""

    def __init__(self, shared: Store, clock: Clock) -> None:
        self._shared, self._own = shared, MemoryStore(clock)

    @classmethod
    def of(cls, parts: Parts) -> Counts:
        """The one of this process."""
        return parts.keep("counts", lambda: cls(parts.store, parts.clock))

    def take(self, buckets: Sequence[Bucket], patience: float = 0.0) -> Turn:
        try:
            return self._shared.take(buckets, patience)
        except StoreAway:
            return self._own.take(buckets, patience)

    def enter(self, key: str, most: int, ttl: float) -> tuple[Store, str] | None:
        """:returns: the lease and where it is held; None while all places are taken."""
        try:
            store, lease = self._shared, self._shared.enter(key, most, ttl)
        except StoreAway:
            store, lease = self._own, self._own.enter(key, most, ttl)
        return (store, lease) if lease is not None else None

    @staticmethod
    def extend(key: str, held: tuple[Store, str], ttl: float) -> None:
        store, lease = held
        with suppress(StoreAway):  # it may end early: then one more than allowed gets in
            store.extend(key, lease, ttl)

    @staticmethod
    def leave(key: str, held: tuple[Store, str]) -> None:
        store, lease = held
        with suppress(StoreAway):  # it ends by itself
            store.leave(key, lease)
