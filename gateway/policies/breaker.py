"""A circuit breaker: closed, open, half-open; told how calls ended, it says whether the next one may go.

Source: Michael Nygard, "Release It!", 2007; the failure rate over a sliding window of buckets is Hystrix's.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal

from gateway.catalog import Breaker
from gateway.clock import Clock

BUCKETS = 10  # that the window slides by
State = Literal["closed", "open", "half_open"]


@dataclass(eq=False, slots=True)
class Turn:
    """Leave to send, to be handed back with the outcome; worth nothing once the circuit has changed.

    :param probe: the only one that a half-open circuit gives at a time.
    :param fence: of the lock that makes it the only one of all workers.
    """

    probe: bool = False
    fence: int | None = None


class CircuitBreaker:
    """Safe under threads; the lock is never held during a call.

    :param settings: may be replaced at any time.
    """

    def __init__(self, clock: Clock, settings: Breaker) -> None:
        self.settings = settings
        self._clock = clock
        self._window = _Window()
        self._in_a_row = 0  # failures
        self._turn = Turn()
        self._until: float | None = None  # the instant from which a probe may go; None while closed
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        if self._until is None:
            return "closed"
        return "half_open" if self._turn.probe or not self.left() else "open"

    @property
    def hopeless(self) -> bool:
        """So many calls failed in a row that sending one again would only add to them."""
        return self._in_a_row >= self.settings.min_calls

    @property
    def seen(self) -> tuple[int, int]:
        """Calls and failures in the window."""
        return self._window.calls, self._window.failures

    def left(self) -> float:
        """Seconds until a probe may go."""
        return max(0.0, (self._until or 0.0) - self._clock.now())

    def enter(self) -> Turn | None:
        """Leave to send, or None."""
        with self._lock:
            if self._until is not None:
                if self._turn.probe or self._clock.now() < self._until:
                    return None
                self._turn = Turn(probe=True)
            return self._turn

    def record(self, turn: Turn, failed: bool) -> State | None:
        """How a call ended.

        :returns: the state that this has changed the circuit to, if it has.
        """
        with self._lock:
            if turn is not self._turn:
                return None  # it was sent before the last change: old news
            if turn.probe:
                return self._open(self.settings.open_for) if failed else self._close()
            if self._until is not None:
                return None
            self._in_a_row = self._in_a_row + 1 if failed else 0
            self._window.count(self._clock.now(), self.settings.window, failed)
            calls, failures = self.seen  # a success opens nothing: the failures before it may be over
            if failed and calls >= self.settings.min_calls and failures >= self.settings.failure_rate * calls:
                return self._open(self.settings.open_for)
            return None

    def give_back(self, turn: Turn) -> None:
        """The call ended and says nothing about the service; if it was the probe, another may go."""
        with self._lock:
            if turn is self._turn and turn.probe:
                self._turn = Turn()

    def open(self, turn: Turn, seconds: float) -> bool:
        """Open for so long, for a reason from elsewhere; whether the turn was still worth something."""
        with self._lock:
            if turn is not self._turn:
                return False
            self._open(seconds)
            return True

    def _open(self, seconds: float) -> State:
        self._until, self._turn = self._clock.now() + seconds, Turn()
        return "open"

    def _close(self) -> State:
        self._until, self._turn, self._window, self._in_a_row = None, Turn(), _Window(), 0
        return "closed"


class _Window:
    """How many calls and failures there were in the last seconds."""

    def __init__(self) -> None:
        self.calls = self.failures = 0
        self._buckets: deque[list[float]] = deque()  # [began, calls, failures]

    def count(self, now: float, seconds: float, failed: bool) -> None:
        """One more call.

        :param seconds: what is older is forgotten.
        """
        while self._buckets and self._buckets[0][0] <= now - seconds:
            _, calls, failures = self._buckets.popleft()
            self.calls, self.failures = self.calls - int(calls), self.failures - int(failures)
        if not self._buckets or now - self._buckets[-1][0] >= seconds / BUCKETS:
            self._buckets.append([now, 0, 0])
        self._buckets[-1][1] += 1
        self._buckets[-1][2] += failed
        self.calls, self.failures = self.calls + 1, self.failures + failed
