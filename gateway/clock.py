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
