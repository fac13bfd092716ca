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

    def counter(self, counter: Counter, *histograms: Histogram) -> Callable[..., None]:
        """Return what counts once in these series.

        It is called with the seconds that each histogram observes, in their order.
        """
        value = counter._value
        # Of a series' bounds the last one is infinite.
        observed = [(series._sum, series._buckets, series._upper_bounds) for series in histograms]

        def count(*seconds: float) -> None:
            increments = [(value, 1.0)]
            for (total, buckets, bounds), elapsed in zip(observed, seconds, strict=True):
                increments.append((total, elapsed))
                increments.append((buckets[bisect_left(bounds, elapsed)], 1.0))
            if self.schedule is None:
                for changed, amount in increments:
                    changed.inc(amount)
                return
            amounts = self._amounts
            if not amounts:
                self.schedule(self.flush)
            for changed, amount in increments:
                amounts[changed] = amounts.get(changed, 0.0) + amount

        return count

    def flush(self) -> None:
        """Write what was added up."""
        amounts = self._amounts
        self._amounts = {}
        for value, amount in amounts.items():
            value.inc(amount)
