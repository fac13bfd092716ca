"""The circuit of a service, over all workers: what one learns, the others hear of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gateway.catalog.model import Service
from gateway.clock import Clock
from gateway.errors import CircuitOpen, StoreUnavailable
from gateway.metrics import Metrics
from gateway.state.breaker import CircuitBreaker, State, Ticket
from gateway.stores import Store

FRESH_SECONDS = 0.1  # a closed circuit goes that long by what the store said last
#: Share of ``open_for`` after which a worker looks again how another's trial has ended.
RECHECK_SHARE = 0.1
ELSEWHERE = "another worker's finding"


class SharedCircuit:
    """The circuit of one service at one place; ``CircuitBreaker`` is one worker's.

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
        """Return whether what the store said is old: then this call alone asks."""
        with self._lock:
            now = self._clock.now()
            if now < self._stale_at:
                return False
            self._stale_at = now + FRESH_SECONDS
            return True

    def _seconds_to_wait(self, ticket: Ticket, max_seconds: float) -> float | None:
        """Return how long yet to wait; 0: the trial may go; None: another's has been answered."""
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
        try:
            if new_state:
                self._publish(ticket, new_state.encode())
            elif failed and self.breaker.state == "closed":
                self._open_if_shared_is(ticket)
        finally:
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
