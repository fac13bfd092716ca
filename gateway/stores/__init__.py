"""State that outlives one request, behind one small interface: nonces, counters, revoked tokens."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from gateway.clock import Clock
from gateway.errors import StoreAway
from gateway.rates import Bucket, Turn
from gateway.stores.memory import Leases, Lists, MovingWindows

SMALLEST_SWEEP = 1024  # entries; below this many, expired ones are not worth looking for


class Store(Protocol):
    """Keys to bytes, each for ``ttl`` seconds. Every operation is atomic, whoever shares the store.

    :raises StoreAway: any operation, when the store is on another machine and does not answer.
    """

    shared: bool  # whether other processes may write to it

    @property
    def up(self) -> bool:
        """Whether it answered when it was last asked."""

    def get(self, key: str) -> bytes | None:
        """The value, unless absent or expired."""

    def get_many(self, *keys: str) -> list[bytes | None]:
        """The value of each, in the time of one."""

    def set(self, key: str, value: bytes, ttl: float) -> None:
        """Put the value there, whatever was there."""

    def set_many(self, values: Mapping[str, bytes], ttl: float) -> None:
        """``set`` each, in the time of one."""

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        """Put the value there only if nothing is; whether it was."""

    def delete(self, key: str) -> None:
        """Forget the key; one that is absent is no error."""

    def forget(self, key: str) -> None:
        """``delete`` that always succeeds: should the store be away, the key is gone before it may be asked again."""

    def increment(self, key: str, ttl: float, by: int = 1) -> int:
        """The count after adding ``by``. The time to live starts at the first increment and is not renewed."""

    def ttl(self, key: str) -> float:
        """Seconds the key has left; 0 when it is absent."""

    def acquire(self, key: str, ttl: float) -> int | None:
        """Hold the lock ``key`` until ``release``, for ``ttl`` seconds at most.

        :returns: a fencing number, higher than any that this lock gave before; None while another holds it.
        """

    def release(self, key: str, fence: int) -> None:
        """Let the lock go, if it is still held under this number."""

    def set_fenced(self, key: str, value: bytes, ttl: float, fence: int) -> bool:
        """``set``, unless somebody with a higher fencing number did: a holder that came too late changes nothing."""

    def take(self, buckets: Sequence[Bucket], patience: float = 0.0) -> Turn:
        """One use of all buckets or of none: now, or else reserved for the first instant at which all have room,
        if that is less than ``patience`` seconds away.
        """

    def enter(self, key: str, most: int, ttl: float) -> str | None:
        """One of ``most`` places, until ``leave``, for ``ttl`` seconds at most.

        :returns: the lease to leave with; None while all places are taken.
        """

    def extend(self, key: str, lease: str, ttl: float) -> None:
        """Hold the place, if it is still held, for ``ttl`` seconds from now."""

    def leave(self, key: str, lease: str) -> None:
        """Give the place back, if it is still held."""

    def push(self, lists: Mapping[str, Sequence[bytes]], most: int, ttl: float) -> None:
        """Add values to each list, in the time of one. It keeps its last ``most``, for ``ttl`` seconds from now."""

    def latest(self, key: str, count: int) -> list[bytes]:
        """The last ``count`` values of a list, the newest first."""

    def close(self) -> None:
        """Let go of connections and threads."""


class Marks(Protocol):
    """The part of a store that guesses and replays are stopped with."""

    def add(self, key: str, value: bytes, ttl: float) -> bool: ...
    def increment(self, key: str, ttl: float, by: int = 1) -> int: ...
    def ttl(self, key: str) -> float: ...
    def delete(self, key: str) -> None: ...


class MemoryStore:
    """A store inside one process, safe under threads and greenlets.

    Whenever the number of entries has doubled, the expired ones are dropped, so that writing stays cheap.

    :param most: entries; beyond them the oldest make room. Only for what may be forgotten.
    """

    shared, up = False, True

    def __init__(self, clock: Clock, most: float = math.inf) -> None:
        self._clock = clock
        self._most = most
        self._entries: dict[str, tuple[bytes, float]] = {}
        self._sweep_at = SMALLEST_SWEEP
        self._fence = 0
        self._lock = threading.Lock()
        self._windows, self._leases, self._lists = MovingWindows(clock), Leases(clock), Lists(clock)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> bytes | None:
        entry = self._live(key)
        return entry[0] if entry else None

    def get_many(self, *keys: str) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def set(self, key: str, value: bytes, ttl: float) -> None:
        with self._lock:
            self._put(key, value, self._clock.now() + ttl)

    def set_many(self, values: Mapping[str, bytes], ttl: float) -> None:
        for key, value in values.items():
            self.set(key, value, ttl)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        with self._lock:
            if self._live(key):
                return False
            self._put(key, value, self._clock.now() + ttl)
            return True

    def delete(self, key: str) -> None:
        with self._lock:
            self._entries.pop(key, None)

    forget = delete

    def increment(self, key: str, ttl: float, by: int = 1) -> int:
        with self._lock:
            value, expires = self._live(key) or (b"0", self._clock.now() + ttl)
            count = int(value) + by
            self._put(key, str(count).encode(), expires)
            return count

    def ttl(self, key: str) -> float:
        entry = self._live(key)
        return entry[1] - self._clock.now() if entry else 0.0

    def acquire(self, key: str, ttl: float) -> int | None:
        with self._lock:
            if self._live(f"lock:{key}"):
                return None
            self._fence += 1
            self._put(f"lock:{key}", str(self._fence).encode(), self._clock.now() + ttl)
            return self._fence

    def release(self, key: str, fence: int) -> None:
        with self._lock:
            held = self._live(f"lock:{key}")
            if held and int(held[0]) == fence:
                del self._entries[f"lock:{key}"]

    def set_fenced(self, key: str, value: bytes, ttl: float, fence: int) -> bool:
        with self._lock:
            last = self._live(f"fence:{key}")
            if last and int(last[0]) > fence:
                return False
            expires = self._clock.now() + ttl
            self._put(f"fence:{key}", str(fence).encode(), expires)
            self._put(key, value, expires)
            return True

    def take(self, buckets: Sequence[Bucket], patience: float = 0.0) -> Turn:
        return self._windows.take(buckets, patience)

    def enter(self, key: str, most: int, ttl: float) -> str | None:
        return self._leases.enter(key, most, ttl)

    def extend(self, key: str, lease: str, ttl: float) -> None:
        self._leases.extend(key, lease, ttl)

    def leave(self, key: str, lease: str) -> None:
        self._leases.leave(key, lease)

    def push(self, lists: Mapping[str, Sequence[bytes]], most: int, ttl: float) -> None:
        for key, values in lists.items():
            self._lists.push(key, values, most, ttl)

    def latest(self, key: str, count: int) -> list[bytes]:
        return self._lists.latest(key, count)

    def close(self) -> None:
        """It has neither."""

    def _live(self, key: str) -> tuple[bytes, float] | None:
        entry = self._entries.get(key)
        return entry if entry and entry[1] > self._clock.now() else None

    def _put(self, key: str, value: bytes, expires: float) -> None:
        if len(self._entries) >= self._sweep_at:
            now = self._clock.now()
            self._entries = {key: entry for key, entry in self._entries.items() if entry[1] > now}
            self._sweep_at = max(SMALLEST_SWEEP, 2 * len(self._entries))
        if len(self._entries) >= self._most and key not in self._entries:
            self._entries.pop(next(iter(self._entries)))
        self._entries[key] = (value, expires)


class LocalWhenAway:
    """``Marks`` that go on in this process's memory while the shared store is away."""

    def __init__(self, shared: Store, clock: Clock) -> None:
        self._shared = shared
        self._local = MemoryStore(clock)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        try:
            return self._shared.add(key, value, ttl)
        except StoreAway:
            return self._local.add(key, value, ttl)

    def increment(self, key: str, ttl: float, by: int = 1) -> int:
        try:
            return self._shared.increment(key, ttl, by)
        except StoreAway:
            return self._local.increment(key, ttl, by)

    def ttl(self, key: str) -> float:
        try:
            return self._shared.ttl(key)
        except StoreAway:
            return self._local.ttl(key)

    def delete(self, key: str) -> None:
        self._local.delete(key)
        with suppress(StoreAway):
            self._shared.delete(key)
