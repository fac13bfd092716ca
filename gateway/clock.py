"""Time, handed in rather than reached for, so that tests can hold it. The only file that sleeps."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """``now`` is monotonic seconds (instants, deadlines); ``wall`` is Unix seconds (what vendors and logs see)."""

    def now(self) -> float: ...
    def wall(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    sleep = staticmethod(time.sleep)


BREAK_SECONDS = 1e-6  # not 0: gevent would look only after fifty of those whether anything has come on a socket


class Pause:
    """Called between pieces of a long piece of work: now and then lets the other greenlets run."""

    EVERY = 0.005  # seconds of work

    def __init__(self, clock: Clock) -> None:
        self._clock, self._last = clock, clock.now()

    def __call__(self) -> None:
        if self._clock.now() - self._last > self.EVERY:
            self._clock.sleep(BREAK_SECONDS)
            self._last = self._clock.now()
