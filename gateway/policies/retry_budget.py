"""A retry budget: retries may be at most a share of recent calls, so that they cannot multiply an outage.

Source: the idea is Finagle's ``RetryBudget`` (twitter.github.io/finagle); counted here in one-second buckets.
"""

from __future__ import annotations

import threading
from collections import deque

from gateway.clock import Clock

WINDOW = 10  # seconds that count as recent


class RetryBudget:
    """Safe under threads.

    :param share: retries allowed per recent call.
    :param reserve: retries allowed in a window however few the calls, or a quiet service could never retry; each worker
        has its own.
    """

    def __init__(self, clock: Clock, share: float = 0.2, reserve: int = 10) -> None:
        self._clock, self._share, self._reserve = clock, share, reserve
        self._buckets: deque[list[int]] = deque()  # [second, calls, retries]
        self._lock = threading.Lock()

    def record_call(self) -> None:
        with self._lock:
            self._bucket()[1] += 1

    def allow_retry(self) -> bool:
        """Whether one more retry fits; it is then counted."""
        with self._lock:
            bucket = self._bucket()
            calls = sum(each[1] for each in self._buckets)
            retries = sum(each[2] for each in self._buckets)
            if retries + 1 > self._reserve + self._share * calls:
                return False
            bucket[2] += 1
            return True

    def _bucket(self) -> list[int]:
        second = int(self._clock.now())
        while self._buckets and self._buckets[0][0] <= second - WINDOW:
            self._buckets.popleft()
        if not self._buckets or self._buckets[-1][0] != second:
            self._buckets.append([second, 0, 0])
        return self._buckets[-1]
