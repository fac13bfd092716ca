"""A circuit breaker in one process; in a half-open one a single call is let through, the trial."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal

from gateway.catalog.model import Breaker
from gateway.clock import Clock

WINDOW_BUCKETS = 10  # steps in which the window slides
State = Literal["closed", "open", "half_open"]


@dataclass(eq=False, slots=True)
class Ticket:
    """Leave to send, to be handed back with the outcome; void once the circuit has changed.

    :param trial: the only one that a half-open circuit gives at a time.
    :param fence: of the lock that makes it the only one of all workers.
    """

    trial: bool = False
    fence: int | None = None


class CircuitBreaker:
    """Safe under threads; the lock is never held during a call.

    :param settings: may be replaced at any time.
    """

    def __init__(self, clock: Clock, settings: Breaker) -> None:
        self.settings = settings
        self._clock = clock
        self._window = _Window()
        self._consecutive_failures = 0
        self._ticket = Ticket()
        self._trial_at: float | None = None  # the instant from which a trial may go; None: closed
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        if self._trial_at is None:
            return "closed"
        if self._ticket.trial or not self.seconds_left():
            return "half_open"
        return "open"

    @property
    def all_recent_failed(self) -> bool:
        """Whether so many calls failed in a row that sending one again would only add to them."""
        return self._consecutive_failures >= self.settings.min_calls

    @property
    def counts(self) -> tuple[int, int]:
        """Calls and failures in the window."""
        return self._window.calls, self._window.failures

    def seconds_left(self) -> float:
        """Return the seconds until a trial may go."""
        return max(0.0, (self._trial_at or 0.0) - self._clock.now())

    def acquire(self) -> Ticket | None:
        """Return leave to send, or None."""
        ticket = self._ticket
        if self._trial_at is None and not ticket.trial:
            return ticket  # should the circuit change meanwhile, it is void
        with self._lock:
            if self._trial_at is not None:
                if self._ticket.trial or self._clock.now() < self._trial_at:
                    return None
                self._ticket = Ticket(trial=True)
            return self._ticket

    def record(self, ticket: Ticket, failed: bool) -> State | None:
        """Count how a call ended.

        :returns: the state that this has changed the circuit to, if it has.
        """
        with self._lock:
            if ticket is not self._ticket:
                return None  # it was sent before the last change: old news
            if ticket.trial:
                return self._open(self.settings.open_for) if failed else self._close()
            if self._trial_at is not None:
                return None
            self._window.count(self._clock.now(), self.settings.window, failed)
            if not failed:  # a success opens nothing: the failures before it may be over
                self._consecutive_failures = 0
                return None
            self._consecutive_failures += 1
            if self._failure_rate_reached():
                return self._open(self.settings.open_for)
            return None

    def release(self, ticket: Ticket) -> None:
        """Give back the ticket of a call that says nothing about the service.

        After a trial's, another trial may go.
        """
        with self._lock:
            if ticket is self._ticket and ticket.trial:
                self._ticket = Ticket()

    def open(self, ticket: Ticket, seconds: float) -> bool:
        """Open for so long, for a reason from elsewhere; return whether the ticket was valid."""
        with self._lock:
            if ticket is not self._ticket:
                return False
            self._open(seconds)
            return True

    def _failure_rate_reached(self) -> bool:
        calls, failures = self.counts
        return calls >= self.settings.min_calls and failures >= self.settings.failure_rate * calls

    def _open(self, seconds: float) -> State:
        self._trial_at = self._clock.now() + seconds
        self._ticket = Ticket()
        return "open"

    def _close(self) -> State:
        self._trial_at = None
        self._ticket = Ticket()
        self._window = _Window()
        self._consecutive_failures = 0
        return "closed"


@dataclass(slots=True)
class _Bucket:
    """What was counted in one step of the window."""

    started_at: float
    calls: int = 0
    failures: int = 0


class _Window:
    """How many calls and failures there were in the last seconds."""

    def __init__(self) -> None:
        self.calls = 0
        self.failures = 0
        self._buckets: deque[_Bucket] = deque()

    def count(self, now: float, seconds: float, failed: bool) -> None:
        """Count one more call.

        :param seconds: what is older is forgotten.
        """
        while self._buckets and self._buckets[0].started_at <= now - seconds:
            expired = self._buckets.popleft()
            self.calls -= expired.calls
            self.failures -= expired.failures
        if not self._buckets or now - self._buckets[-1].started_at >= seconds / WINDOW_BUCKETS:
            self._buckets.append(_Bucket(now))
        bucket = self._buckets[-1]
        bucket.calls += 1
        bucket.failures += failed
        self.calls += 1
        self.failures += failed
