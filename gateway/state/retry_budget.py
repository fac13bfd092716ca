"""A retry budget: at most a share of recent calls, so that retries do not multiply an outage."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from gateway.clock import Clock

WINDOW_SECONDS = 10  # how far back a call is recent
SHARE = 0.2  # retries allowed per recent call
#: Retries allowed in a window however few the calls, or a quiet service could never retry.
RESERVE = 10


@dataclass(slots=True)
class _Second:
    """What was counted in one second."""

    number: int
    calls: int = 0
    retries: int = 0


class RetryBudget:
    """Safe under threads; each worker has its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seconds: deque[_Second] = deque()
        self._lock = threading.Lock()

    def record_call(self) -> None:
        with self._lock:
            self._current_second().calls += 1

    def allow_retry(self) -> bool:
        """Return whether one more retry fits; it is then counted."""
        with self._lock:
            current = self._current_second()
            calls = sum(second.calls for second in self._seconds)
            retries = sum(second.retries for second in self._seconds)
            if retries + 1 > RESERVE + SHARE * calls:
                return False
            current.retries += 1
            return True

    def _current_second(self) -> _Second:
        number = int(self._clock.now())
        while self._seconds and self._seconds[0].number <= number - WINDOW_SECONDS:
            self._seconds.popleft()
        if not self._seconds or self._seconds[-1].number != number:
            self._seconds.append(_Second(number))
        return self._seconds[-1]
