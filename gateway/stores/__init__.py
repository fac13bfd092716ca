"""State that outlives one request, behind one interface: counters, locks, limits, cached answers.

    store: Store = MemoryStore(clock)
    store.set("greeting", b"hello", ttl=60)

Every operation of a shared store may raise ``StoreUnavailable``. Code that can do without it wraps
the store: a ``FallbackStore`` goes on in this process's memory, a ``BestEffortStore`` as if the
store were empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from gateway.clock import Clock
from gateway.errors import StoreUnavailable
from gateway.rates import Bucket, Permit
from gateway.stores.base import CounterStore as CounterStore
from gateway.stores.base import Lock as Lock
from gateway.stores.base import Store as Store
from gateway.stores.generations import Generations as Generations
from gateway.stores.memory import MemoryStore as MemoryStore

LOCAL = "local-"  # what the lease of a slot in this process's memory begins with

T = TypeVar("T")


class FallbackStore:
    """Counters, limits and slots, in this process's memory while the shared store is away."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._local = MemoryStore(clock)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        return self._either(lambda store: store.add(key, value, ttl))

    def increment(self, key: str, ttl: float, by: int = 1) -> int:
        return self._either(lambda store: store.increment(key, ttl, by))

    def ttl(self, key: str) -> float:
        return self._either(lambda store: store.ttl(key))

    def delete(self, key: str) -> None:
        self._local.delete(key)
        with suppress(StoreUnavailable):
            self._store.delete(key)

    def acquire_rate(self, buckets: Sequence[Bucket], max_wait: float = 0.0) -> Permit:
        try:
            return self._store.acquire_rate(buckets, max_wait)
        except StoreUnavailable:
            return self._local.acquire_rate(buckets, max_wait)

    def acquire_slot(self, key: str, slots: int, ttl: float) -> str | None:
        try:
            return self._store.acquire_slot(key, slots, ttl)
        except StoreUnavailable:
            lease = self._local.acquire_slot(key, slots, ttl)
        return None if lease is None else LOCAL + lease

    def renew_slot(self, key: str, lease: str, ttl: float) -> None:
        """Hold the slot longer; while the store is away it may end early, and one more gets in."""
        store, lease = self._holder(lease)
        with suppress(StoreUnavailable):
            store.renew_slot(key, lease, ttl)

    def release_slot(self, key: str, lease: str) -> None:
        """Give the slot back, or once the store is back."""
        store, lease = self._holder(lease)
        store.release_slot(key, lease)

    def _holder(self, lease: str) -> tuple[Store, str]:
        if lease.startswith(LOCAL):
            return self._local, lease.removeprefix(LOCAL)
        return self._store, lease

    def _either(self, operation: Callable[[Store], T]) -> T:
        try:
            return operation(self._store)
        except StoreUnavailable:
            return operation(self._local)


class BestEffortStore:
    """A store for what can be done without.

    While the store is away it is empty, stores nothing, and ``add`` lets everybody go on.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def up(self) -> bool:
        """Whether the store answered the last operation."""
        return self._store.up

    def get(self, key: str) -> bytes | None:
        try:
            return self._store.get(key)
        except StoreUnavailable:
            return None

    def set(self, key: str, value: bytes, ttl: float) -> None:
        try:
            self._store.set(key, value, ttl)
        except StoreUnavailable:
            return

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        with suppress(StoreUnavailable):
            return self._store.add(key, value, ttl)
        return True

    def delete(self, key: str) -> None:
        with suppress(StoreUnavailable):
            self._store.delete(key)

    def forget(self, key: str) -> None:
        """Delete it, at the latest when the store is back, before anybody may ask it."""
        self._store.forget(key)
