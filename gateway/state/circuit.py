"""The circuit of a service: closed, open, half open. What one worker learns, the others hear of.

``CircuitBreaker`` is the state machine in one process, ``SharedCircuit`` keeps it in step with
those of other workers. In a half-open circuit one call is let through, the trial.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from gateway.catalog.model import Breaker, Service
from gateway.clock import Clock
from gateway.errors import CircuitOpen, StoreUnavailable
from gateway.metrics import Metrics
from gateway.stores import Store

WINDOW_BUCKETS = 10  # steps in which the window slides
FRESH_SECONDS = 0.1  # a closed circuit goes that long by what the store said last
#: Share of ``open_for`` after which a worker looks again how another's trial has ended.
RECHECK_SHARE = 0.1
ELSEWHERE = "another worker's finding"

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


class SharedCircuit:
    """The circuit of one service at one place, shared by all workers.

    :param place: ``base_url``, or ``backup_url``, which fails for reasons of its own.
    :param warn: writes a line of the log.
    """

    def __init__(
        self,
        service: Service,
        place: str,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        warn: Callable[..., Any],
    ) -> None:
        self.breaker = CircuitBreaker(clock, service.breaker)
        self.key = f"breaker:{service.place}:{place}"
        self._service = service.name
        self._place = place
        self._at = service.host or place  # in the log
        self._store = store
        self._clock = clock
        self._transitions = metrics.breaker_transitions
        self._warn = warn
        self._stale_at = 0.0
        self._lock = threading.Lock()

    def acquire(self) -> Ticket:
        """Return leave to send, to be handed to ``settle`` whatever happens.

        :raises CircuitOpen: with the time left.
        """
        ticket = self.breaker.acquire()
        if ticket and not ticket.trial and self._store.shared and self._should_read():
            with suppress(StoreUnavailable):
                self._open_if_shared_is(ticket)
            ticket = self.breaker.acquire()
        if ticket is None:
            raise CircuitOpen(retry_after=self.breaker.seconds_left())
        return ticket

    def claim_trial(self, ticket: Ticket, max_seconds: float) -> None:
        """Make a trial the only one of all workers until it is settled, or learn of another's.

        :param max_seconds: that it may take; should its worker die, the next one goes after these,
            or ``open_for``.
        :raises CircuitOpen: another worker has its trial, or that has failed.
        """
        wait = self._seconds_to_wait(ticket, max_seconds)
        if wait:
            self.breaker.open(ticket, wait)
            raise CircuitOpen(retry_after=wait)
        if wait is None:
            self.breaker.record(ticket, failed=False)
            self._report("closed", ELSEWHERE)
        else:
            self._report("half_open", "one call may go")

    def settle(self, ticket: Ticket, failed: bool | None, reason: str) -> None:
        """Count a call that has ended.

        :param failed: None when the end says nothing about the service.
        """
        new_state = None
        if failed is not None:
            new_state = self.breaker.record(ticket, failed)
        if new_state or failed or ticket.fence is not None:
            with suppress(StoreUnavailable):
                self._share(ticket, new_state, failed=bool(failed))
        if failed is None:
            self.breaker.release(ticket)
        if new_state:
            self._report(new_state, f"{self._finding(ticket)}: {reason}")

    def _should_read(self) -> bool:
        """Return whether what the store said is old.

        Then this call asks, and those beside it do not wait for that.
        """
        with self._lock:
            now = self._clock.now()
            if now < self._stale_at:
                return False
            self._stale_at = now + FRESH_SECONDS
            return True

    def _seconds_to_wait(self, ticket: Ticket, max_seconds: float) -> float | None:
        """Return how long to leave the service alone yet.

        0: the trial may go; None: another's has been answered.
        """
        open_for = self.breaker.settings.open_for
        try:
            ticket.fence = self._store.acquire(self.key, max(open_for, max_seconds))
            # After the lock: whoever had it wrote before letting go.
            shared_state = self._store.get(self.key)
            if shared_state == b"closed":
                return None
            if shared_state is None and ticket.fence is not None:
                return 0.0
            return self._store.ttl(self.key) or RECHECK_SHARE * open_for
        except StoreUnavailable:
            return 0.0

    def _share(self, ticket: Ticket, new_state: State | None, *, failed: bool) -> None:
        """Tell the other workers of the new state, or learn of theirs where a call failed."""
        if new_state:
            self._publish(ticket, new_state.encode())
        elif failed and self.breaker.state == "closed":
            self._open_if_shared_is(ticket)
        if ticket.fence is not None:
            self._store.release(self.key, ticket.fence)

    def _publish(self, ticket: Ticket, state: bytes) -> None:
        seconds = self.breaker.settings.open_for
        if ticket.fence is None:
            self._store.set(self.key, state, seconds)
        else:  # a trial that took longer than open_for may not speak against a later one
            self._store.set_fenced(self.key, state, seconds, ticket.fence)

    def _open_if_shared_is(self, ticket: Ticket) -> None:
        """Open as long as another worker does."""
        if self._store.get(self.key) == b"open":
            seconds = self._store.ttl(self.key)
            if seconds and self.breaker.open(ticket, seconds):
                self._report("open", ELSEWHERE)

    def _finding(self, ticket: Ticket) -> str:
        if ticket.trial:
            return "the one call let through"
        calls, failures = self.breaker.counts
        return f"{failures} of {calls} calls failed, the last"

    def _report(self, state: str, reason: str) -> None:
        self._transitions.labels(self._service, self._place, state).inc()
        self._warn("breaker", service=self._service, at=self._at, state=state, why=reason)
