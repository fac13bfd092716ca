"""Lists of bounded length: what is pushed beyond it pushes the oldest out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from gateway.clock import Clock


class Lists:
    """The lists of one process, by key. Safe under threads."""

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
