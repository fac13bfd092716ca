"""Row counts of lists, cached for a moment: to count costs more than to read a page."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

MAX_AGE_SECONDS = 5  # rows that another worker wrote since may be missing from a count
MAX_LISTS = 256  # whose counts are cached


class Mark(NamedTuple):
    """A moment before a count: how many writes this process had made, and when that was."""

    writes: int
    instant: float


class RowCounts:
    """Cached counts, each valid until this process writes, and for ``MAX_AGE_SECONDS`` at most."""

    def __init__(self) -> None:
        self._cache: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._writes = 0

    def mark(self) -> Mark:
        """Return the present moment, to be taken before rows are counted."""
        return Mark(self._writes, time.monotonic())

    def store(self, key: Hashable, total: int, mark: Mark) -> None:
        """Cache a count, unless this process has written since its mark."""
        with self._lock:
            if mark.writes == self._writes:
                self._cache[key] = (total, mark.instant)
            while len(self._cache) > MAX_LISTS:
                self._cache.popitem(last=False)

    def recent(self, key: Hashable) -> int | None:
        """Return the cached count if it is still valid."""
        entry = self._cache.get(key)
        if entry and time.monotonic() - entry[1] < MAX_AGE_SECONDS:
            return entry[0]
        return None

    def clear(self) -> None:
        """Drop all counts, after a write."""
        with self._lock:
            self._writes += 1
            self._cache.clear()
