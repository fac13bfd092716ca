"""A store inside one process, safe under threads: values, exact limits, slots and lists."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from gateway.clock import Clock
from gateway.rates import Bucket, Permit
from gateway.stores.base import Store
from gateway.stores.memory_limits import MIN_SWEEP_ENTRIES, MovingWindows, Slots


class MemoryStore(Store):
    """A store inside one process; expired entries are dropped whenever their number has doubled.

    :param max_entries: beyond them the oldest make room. Only for what may be forgotten.
    """

    shared = False
    up = True

    def __init__(self, clock: Clock, max_entries: float = math.inf) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._entries: dict[str, tuple[bytes, float]] = {}  # value, and the instant it expires
        self._sweep_at = MIN_SWEEP_ENTRIES
        self._fence = 0
        self._lock = threading.Lock()
        self._windows = MovingWindows(clock)
        self._slots = Slots(clock)
        self._lists = Lists(clock)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        return entry[0] if entry and entry[1] > self._clock.now() else None

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
            if self._live_entry(key):
                return False
            self._put(key, value, self._clock.now() + ttl)
            return True

    def delete(self, key: str) -> None:
        with self._lock:
            self._entries.pop(key, None)

    forget = delete

    def increment(self, key: str, ttl: float, by: int = 1) -> int:
        with self._lock:
            value, expires = self._live_entry(key) or (b"0", self._clock.now() + ttl)
            count = int(value) + by
            self._put(key, str(count).encode(), expires)
            return count

    def ttl(self, key: str) -> float:
        entry = self._live_entry(key)
        return entry[1] - self._clock.now() if entry else 0.0

    def acquire(self, key: str, ttl: float) -> int | None:
        with self._lock:
            if self._live_entry(f"lock:{key}"):
                return None
            self._fence += 1
            self._put(f"lock:{key}", str(self._fence).encode(), self._clock.now() + ttl)
            return self._fence

    def release(self, key: str, fence: int) -> None:
        with self._lock:
            entry = self._live_entry(f"lock:{key}")
            if entry and int(entry[0]) == fence:
                del self._entries[f"lock:{key}"]

    def set_fenced(self, key: str, value: bytes, ttl: float, fence: int) -> bool:
        with self._lock:
            entry = self._live_entry(f"fence:{key}")
            if entry and int(entry[0]) > fence:
                return False
            expires = self._clock.now() + ttl
            self._put(f"fence:{key}", str(fence).encode(), expires)
            self._put(key, value, expires)
            return True

    def remember(self, key: str, value: bytes, ttl: float, fence: int) -> None:
        self.set_fenced(key, value, ttl, fence)

    def acquire_rate(self, buckets: Sequence[Bucket], max_wait: float = 0.0) -> Permit:
        return self._windows.acquire_rate(buckets, max_wait)

    def acquire_slot(self, key: str, slots: int, ttl: float) -> str | None:
        return self._slots.acquire(key, slots, ttl)

    def renew_slot(self, key: str, lease: str, ttl: float) -> None:
        self._slots.renew(key, lease, ttl)

    def release_slot(self, key: str, lease: str) -> None:
        self._slots.release(key, lease)

    def push(self, lists: Mapping[str, Sequence[bytes]], max_length: int, ttl: float) -> None:
        for key, values in lists.items():
            self._lists.push(key, values, max_length, ttl)

    def latest(self, key: str, count: int) -> list[bytes]:
        return self._lists.latest(key, count)

    def close(self) -> None:
        """It has no connections and no threads."""

    def _live_entry(self, key: str) -> tuple[bytes, float] | None:
        entry = self._entries.get(key)
        return entry if entry and entry[1] > self._clock.now() else None

    def _put(self, key: str, value: bytes, expires: float) -> None:
        if len(self._entries) >= self._sweep_at:
            now = self._clock.now()
            self._entries = {key: entry for key, entry in self._entries.items() if entry[1] > now}
            self._sweep_at = max(MIN_SWEEP_ENTRIES, 2 * len(self._entries))
        if len(self._entries) >= self._max_entries and key not in self._entries:
            self._entries.pop(next(iter(self._entries)))
        self._entries[key] = (value, expires)


class Lists:
    """Lists by key, of bounded length: a value pushed beyond it pushes the oldest out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lists: dict[str, tuple[deque[bytes], float]] = {}  # and the instant it ends
        self._lock = threading.Lock()

    def push(self, key: str, values: Iterable[bytes], max_length: int, ttl: float) -> None:
        """See ``Store.push``."""
        with self._lock:
            entries = self._live_list(key)
            if entries is None:
                entries = deque[bytes](maxlen=max_length)
            entries.extend(values)
            self._lists[key] = entries, self._clock.now() + ttl

    def latest(self, key: str, count: int) -> list[bytes]:
        """See ``Store.latest``."""
        with self._lock:
            return list(reversed(self._live_list(key) or ()))[:count]

    def _live_list(self, key: str) -> deque[bytes] | None:
        entries, ends = self._lists.get(key, (None, 0.0))
        return entries if ends > self._clock.now() else None
