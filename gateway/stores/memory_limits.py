"""Limits inside one process: uses in a moving window, and slots that are held for a time."""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.rates import Bucket, Permit

#: In a second; instants are whole ones: a use ends exactly one window after it began.
MICROSECONDS = 1_000_000
MIN_SWEEP_ENTRIES = 1024  # below this many, expired ones are not worth looking for


@dataclass(slots=True)
class _Window:
    """The uses of one bucket, in microseconds."""

    length: int = 0
    uses: list[int] = field(default_factory=list)  # instants, ascending

    def drop_expired(self, now: int) -> None:
        del self.uses[: bisect_right(self.uses, now - self.length)]


class MovingWindows:
    """Exact limits: never more than so many uses in any span of the window's length.

    A window logs its uses, those still to come included: a caller that has to wait has its instant
    reserved, so that it sleeps once, in the order of asking; one that would wait too long is told.
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
    """Return the first instant with fewer than ``amount`` uses within a window before and after.

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
