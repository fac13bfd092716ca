"""A store inside one process, safe under threads: values, exact limits, slots and lists."""

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

MICROSECONDS = (
    1_000_000  # in a second; instants are whole ones: a use ends exactly one window after it began
)
MIN_SWEEP_ENTRIES = 1024  # below this many, expired ones are not worth looking for


class MemoryStore(Store):
    """A store inside one process.

    Whenever the number of entries has doubled, the expired ones are dropped, so that writing stays
    cheap.

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
        now = self._clock.now()
        values = []
        for key in keys:
            entry = self._entries.get(key)
            values.append(entry[0] if entry and entry[1] > now else None)
        return values

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


@dataclass(slots=True)
class _Window:
    """The uses of one bucket, in microseconds."""

    length: int = 0
    uses: list[int] = field(default_factory=list)  # instants, ascending

    def drop_expired(self, now: int) -> None:
        del self.uses[: bisect_right(self.uses, now - self.length)]


class MovingWindows:
    """Exact limits: never more than so many uses in any span of the window's length, wherever the
    span begins.

    A window logs its uses, those still to come included. A caller that has to wait has its instant
    reserved, so that it sleeps once, in the order of asking; a caller that would wait too long
    knows at once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._sweep_at = MIN_SWEEP_ENTRIES
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._windows)

    def acquire_rate(self, buckets: Sequence[Bucket], max_wait: float = 0.0) -> Permit:
        """See ``Store.acquire_rate``."""
        with self._lock:
            now = round(self._clock.now() * MICROSECONDS)
            windows = []
            is_full = False
            for bucket in buckets:
                window = self._window(bucket, now)
                windows.append(window)
                is_full = is_full or len(window.uses) >= bucket.rate.amount
            instant = _first_room(buckets, windows, now) if is_full else now
            allowed = instant == now or instant - now < max_wait * MICROSECONDS
            if allowed:
                for window in windows:
                    insort(window.uses, instant)
            first = windows[0]
            limit = buckets[0].rate.amount
            reset = first.uses[0] + first.length - now if first.uses else 0
            return Permit(
                allowed=allowed,
                wait=(instant - now) / MICROSECONDS,
                limit=limit,
                remaining=max(0, limit - len(first.uses)),
                reset=reset / MICROSECONDS,
            )

    def _window(self, bucket: Bucket, now: int) -> _Window:
        window = self._windows.get(bucket.key)
        if window is None:
            self._sweep(now)
            window = self._windows[bucket.key] = _Window()
        window.length = round(bucket.rate.window * MICROSECONDS)
        if window.uses and window.uses[0] <= now - window.length:
            window.drop_expired(now)
        return window

    def _sweep(self, now: int) -> None:
        """Drop the empty windows, whenever the number of windows has doubled."""
        if len(self._windows) < self._sweep_at:
            return
        for window in self._windows.values():
            window.drop_expired(now)
        self._windows = {key: window for key, window in self._windows.items() if window.uses}
        self._sweep_at = max(MIN_SWEEP_ENTRIES, 2 * len(self._windows))


def _first_room(buckets: Sequence[Bucket], windows: Sequence[_Window], now: int) -> int:
    """Return the first instant from ``now`` on at which all have room for one more use."""
    instant = now
    previous = -1
    while instant != previous:
        previous = instant
        for bucket, window in zip(buckets, windows, strict=True):
            instant = _room(window, bucket.rate.amount, instant)
    return instant


def _room(window: _Window, amount: int, instant: int) -> int:
    """Return the first instant with fewer than ``amount`` uses less than a window away, before or
    after.

    No span of a window's length that takes it in can then hold more than ``amount``.
    """
    while True:
        begin = bisect_right(window.uses, instant - window.length)
        end = bisect_left(window.uses, instant + window.length)
        excess = end - begin - amount
        if excess < 0:
            return instant
        instant = window.uses[begin + excess] + window.length


class Slots:
    """Slots by key, each held for a time: the slot of a holder that died comes free by itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._leases: dict[str, dict[str, float]] = {}  # by key: lease to the instant it ends
        self._lock = threading.Lock()

    def acquire(self, key: str, slots: int, ttl: float) -> str | None:
        """See ``Store.acquire_slot``."""
        now = self._clock.now()
        with self._lock:
            leases = self._leases.setdefault(key, {})
            for lease in [lease for lease, ends in leases.items() if ends <= now]:
                del leases[lease]
            if len(leases) >= slots:
                return None
            lease = str(next(self._numbers))
            leases[lease] = now + ttl
            return lease

    def renew(self, key: str, lease: str, ttl: float) -> None:
        """See ``Store.renew_slot``."""
        with self._lock:
            if lease in self._leases.get(key, {}):
                self._leases[key][lease] = self._clock.now() + ttl

    def release(self, key: str, lease: str) -> None:
        """See ``Store.release_slot``."""
        with self._lock:
            self._leases.get(key, {}).pop(lease, None)


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
