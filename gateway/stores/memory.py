"""A store inside one process: values, exact limits, slots and lists, safe under threads and greenlets.

A limit is exact: never more than so many uses in any span of the window's length, however the spans are laid. It is a
log of the uses, those still to come included, so that a use that has to wait has its place reserved: whoever waits
sleeps once, in the order of asking, and whoever would wait too long knows at once.
"""

from __future__ import annotations

import itertools
import math
import threading
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.rates import Bucket, Permit
from gateway.stores.base import Store

MICROSECONDS = 1_000_000  # instants are whole ones: a use ends exactly one window after it began
SMALLEST_SWEEP = 1024  # entries; below this many, expired ones are not worth looking for


@dataclass(slots=True)
class _Log:
    window: int = 0
    uses: list[int] = field(default_factory=list)  # ascending

    def forget(self, now: int) -> None:
        del self.uses[: bisect_right(self.uses, now - self.window)]


class MovingWindows:
    """The logs of one process, by key. Safe under threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._logs: dict[str, _Log] = {}
        self._sweep_at = SMALLEST_SWEEP
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._logs)

    def acquire_rate(self, buckets: Sequence[Bucket], patience: float = 0.0) -> Permit:
        """See ``Store.acquire_rate``."""
        with self._lock:
            now = round(self._clock.now() * MICROSECONDS)
            logs = [self._log(bucket, now) for bucket in buckets]
            at = _first_room(buckets, logs, now)
            taken = at == now or at - now < patience * MICROSECONDS
            if taken:
                for log in logs:
                    insort(log.uses, at)
            first, limit = logs[0], buckets[0].rate.amount
            reset = first.uses[0] + first.window - now if first.uses else 0
            remaining = max(0, limit - len(first.uses))
            return Permit(taken, (at - now) / MICROSECONDS, limit, remaining, reset / MICROSECONDS)

    def _log(self, bucket: Bucket, now: int) -> _Log:
        if bucket.key not in self._logs:
            self._sweep(now)
        log = self._logs.setdefault(bucket.key, _Log())
        log.window = round(bucket.rate.window * MICROSECONDS)
        log.forget(now)
        return log

    def _sweep(self, now: int) -> None:
        """Whenever the number of logs has doubled, drop the empty ones."""
        if len(self._logs) < self._sweep_at:
            return
        for log in self._logs.values():
            log.forget(now)
        self._logs = {key: log for key, log in self._logs.items() if log.uses}
        self._sweep_at = max(SMALLEST_SWEEP, 2 * len(self._logs))


def _first_room(buckets: Sequence[Bucket], logs: Sequence[_Log], now: int) -> int:
    """The first instant from ``now`` on at which all have room for one more."""
    at, looked_at = now, -1
    while at != looked_at:
        looked_at = at
        for bucket, log in zip(buckets, logs, strict=True):
            at = _room(log, bucket.rate.amount, at)
    return at


def _room(log: _Log, amount: int, at: int) -> int:
    """The first instant from ``at`` on with fewer than ``amount`` uses less than a window away, before or after:
    no span of a window's length that takes it in can then hold more than ``amount``.
    """
    while True:
        begin, end = bisect_right(log.uses, at - log.window), bisect_left(log.uses, at + log.window)
        over = end - begin - amount
        if over < 0:
            return at
        at = log.uses[begin + over] + log.window


class Leases:
    """The slots of one process, by key, each held for a time: one whose holder died comes free by itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._held: dict[str, dict[str, float]] = {}  # key -> lease -> when it ends
        self._lock = threading.Lock()

    def acquire_slot(self, key: str, most: int, ttl: float) -> str | None:
        """See ``Store.acquire_slot``."""
        now = self._clock.now()
        with self._lock:
            held = self._held.setdefault(key, {})
            for lease in [lease for lease, ends in held.items() if ends <= now]:
                del held[lease]
            if len(held) >= most:
                return None
            lease = str(next(self._numbers))
            held[lease] = now + ttl
            return lease

    def renew_slot(self, key: str, lease: str, ttl: float) -> None:
        """See ``Store.renew_slot``."""
        with self._lock:
            if lease in self._held.get(key, {}):
                self._held[key][lease] = self._clock.now() + ttl

    def release_slot(self, key: str, lease: str) -> None:
        """See ``Store.release_slot``."""
        with self._lock:
            self._held.get(key, {}).pop(lease, None)


class Lists:
    """The lists of one process, by key, of bounded length: what is pushed beyond it pushes the oldest out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lists: dict[str, tuple[deque[bytes], float]] = {}  # and when it ends
        self._lock = threading.Lock()

    def push(self, key: str, values: Iterable[bytes], most: int, ttl: float) -> None:
        """See ``Store.push``."""
        now = self._clock.now()
        with self._lock:
            kept = self._lists.get(key)
            values_kept = kept[0] if kept and kept[1] > now else deque[bytes](maxlen=most)
            values_kept.extend(values)
            self._lists[key] = values_kept, now + ttl

    def latest(self, key: str, count: int) -> list[bytes]:
        """See ``Store.latest``."""
        with self._lock:
            kept = self._lists.get(key)
            return list(reversed(kept[0]))[:count] if kept and kept[1] > self._clock.now() else []


class MemoryStore(Store):
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

    def acquire_rate(self, buckets: Sequence[Bucket], patience: float = 0.0) -> Permit:
        return self._windows.acquire_rate(buckets, patience)

    def acquire_slot(self, key: str, most: int, ttl: float) -> str | None:
        return self._leases.acquire_slot(key, most, ttl)

    def renew_slot(self, key: str, lease: str, ttl: float) -> None:
        self._leases.renew_slot(key, lease, ttl)

    def release_slot(self, key: str, lease: str) -> None:
        self._leases.release_slot(key, lease)

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
