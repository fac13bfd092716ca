"""So many at once: places that are held for a time, so that one whose holder died comes free by itself."""

from __future__ import annotations

import itertools
import threading

from gateway.clock import Clock


class Leases:
    """The places of one process, by key. Safe under threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._held: dict[str, dict[str, float]] = {}  # key -> lease -> when it ends
        self._lock = threading.Lock()

    def enter(self, key: str, most: int, ttl: float) -> str | None:
        """See ``Store.enter``."""
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

    def extend(self, key: str, lease: str, ttl: float) -> None:
        """See ``Store.extend``."""
        with self._lock:
            if lease in self._held.get(key, {}):
                self._held[key][lease] = self._clock.now() + ttl

    def leave(self, key: str, lease: str) -> None:
        """See ``Store.leave``."""
        with self._lock:
            self._held.get(key, {}).pop(lease, None)
