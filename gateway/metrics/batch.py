"""Increments that are added up before they are written.

A call increments a dozen values, each a write into a mapped file under a lock. Where an event loop
answers several calls in one turn, their increments of one value are one write at the turn's end.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter, Histogram


class IncrementBatch:
    """Writes at once until ``schedule`` is set.

    :ivar schedule: has a function called at the end of the loop's turn, in the same thread. With
        it, only the greenlets of that thread may count.
    """

    def __init__(self) -> None:
        self.schedule: Callable[[Callable[[], None]], object] | None = None
        self._amounts: dict[Any, float] = {}

    def counter(self, series: Counter) -> Callable[[], None]:
        """Return what adds one to a series of a counter."""
        value = series._value
        add = self._add

        def increment() -> None:
            add(value, 1.0)

        return increment

    def observer(self, series: Histogram) -> Callable[[float], None]:
        """Return what adds an observation to a series of a histogram, in seconds."""
        bounds = series._upper_bounds  # the last one is infinite
        buckets = series._buckets
        total = series._sum
        add = self._add

        def observe(seconds: float) -> None:
            add(total, seconds)
            add(buckets[bisect_left(bounds, seconds)], 1.0)

        return observe

    def flush(self) -> None:
        """Write what was added up."""
        amounts = self._amounts
        self._amounts = {}
        for value, amount in amounts.items():
            value.inc(amount)

    def _add(self, value: Any, amount: float) -> None:
        if self.schedule is None:
            value.inc(amount)
            return
        if not self._amounts:
            self.schedule(self.flush)
        self._amounts[value] = self._amounts.get(value, 0.0) + amount
