"""One service's circuit, shared by all workers: what one of them learns, the others hear of.

A worker keeps its own state; the store has ``open`` or ``closed`` under one key for as long as ``open_for``, and a lock
for the one probe. It is asked before a call, but only once in FRESH seconds, when a call has failed, and when a probe
may go. A store of this process's own knows nothing more before a call, so that a healthy service costs nothing there.
While the store is away each worker goes by what it knows itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress

from gateway.catalog import Service
from gateway.errors import CircuitOpen, StoreAway
from gateway.parts import Parts
from gateway.policies.breaker import CircuitBreaker, Turn

FRESH = 0.1  # seconds for which a closed circuit goes by what the store said last
LOOK = 0.1  # the share of ``open_for`` after which a worker looks again how another's probe has ended
ELSEWHERE = "another worker's finding"


class Circuit:
    def __init__(self, service: Service, parts: Parts, at: str) -> None:
        self.breaker = CircuitBreaker(parts.clock, service.breaker)
        self._store, self._log, self._transitions = parts.store, parts.log, parts.metrics.breaker_transitions
        self._said = {"service": service.name, "at": at}
        self.key = f"breaker:{service.name}:{at}"
        self._clock, self._look_at, self._lock = parts.clock, 0.0, threading.Lock()

    def enter(self) -> Turn:
        """Leave to send, to be handed to ``settle`` whatever happens.

        :raises CircuitOpen: with the time left.
        """
        turn = self.breaker.enter()
        if turn and not turn.probe and self._store.shared and self._may_look():
            with suppress(StoreAway):
                self._follow(turn)
            turn = self.breaker.enter()
        if turn is None:
            raise CircuitOpen(retry_after=self.breaker.left())
        return turn

    def claim(self, turn: Turn, longest: float) -> None:
        """Make a probe the only one of all workers until it is settled, or learn what another's has led to.

        :param longest: seconds it may take; should its worker die, the next one goes after these, or ``open_for``.
        :raises CircuitOpen: another worker probes, or its probe has failed.
        """
        wait = self._wait(turn, longest)
        if wait:
            self.breaker.open(turn, wait)
            raise CircuitOpen(retry_after=wait)
        if wait is None:
            self.breaker.record(turn, failed=False)
        self._tell(*(("closed", ELSEWHERE) if wait is None else ("half_open", "one call may go")))

    def settle(self, turn: Turn, failed: bool | None, why: str) -> None:
        """A call has ended.

        :param failed: None when that says nothing about the service.
        """
        changed = None if failed is None else self.breaker.record(turn, failed)
        with suppress(StoreAway):
            if changed:
                self._publish(turn, changed.encode(), self.breaker.settings.open_for)
            elif failed and self.breaker.state == "closed":
                self._follow(turn)
            if turn.fence is not None:
                self._store.release(self.key, turn.fence)
        if failed is None:
            self.breaker.give_back(turn)
        if changed:
            calls, failures = self.breaker.seen
            what = "the one call let through" if turn.probe else f"{failures} of {calls} calls failed, the last"
            self._tell(changed, f"{what}: {why}")

    def _may_look(self) -> bool:
        """Whether what the store said is old; then this call looks, and those beside it do not wait for that."""
        with self._lock:
            now = self._clock.now()
            if now < self._look_at:
                return False
            self._look_at = now + FRESH
            return True

    def _wait(self, turn: Turn, longest: float) -> float | None:
        """Seconds to leave the service alone yet; 0: the probe may go; None: another's has been answered."""
        open_for = self.breaker.settings.open_for
        try:
            turn.fence = self._store.acquire(self.key, max(open_for, longest))
            known = self._store.get(self.key)  # after the lock: whoever had it wrote before letting go
            if known == b"closed":
                return None
            if known is None and turn.fence is not None:
                return 0.0
            return self._store.ttl(self.key) or LOOK * open_for
        except StoreAway:
            return 0.0

    def _publish(self, turn: Turn, state: bytes, seconds: float) -> None:
        if turn.fence is None:
            self._store.set(self.key, state, seconds)
        else:  # a probe that took longer than open_for may not speak against a later one
            self._store.set_fenced(self.key, state, seconds, turn.fence)

    def _follow(self, turn: Turn) -> None:
        """Open as long as another worker does."""
        if self._store.get(self.key) == b"open":
            left = self._store.ttl(self.key)
            if left and self.breaker.open(turn, left):
                self._tell("open", ELSEWHERE)

    def _tell(self, state: str, why: str) -> None:
        self._transitions.labels(*self._said.values(), state).inc()
        self._log.warning("breaker", **self._said, state=state, why=why)


def states_of(services: Iterable[Service], parts: Parts) -> dict[str, str]:
    """``closed``, ``open`` or ``half_open`` by service, as far as any worker knows; asked in the time of one."""
    circuits = {service.name: circuit_of(service, parts) for service in services}
    known: Iterable[bytes | None] = [None] * len(circuits)
    with suppress(StoreAway):
        known = parts.store.get_many(*(each.key for each in circuits.values()))
    return {
        name: said.decode() if said else circuit.breaker.state
        for (name, circuit), said in zip(circuits.items(), known, strict=True)
    }


def circuit_of(service: Service, parts: Parts, at: str = "base_url") -> Circuit:
    """A service's circuit, kept over reloads.

    :param at: ``base_url``, or ``backup_url``, which fails for reasons of its own.
    """
    return parts.keep(("circuit", service.name, at), lambda: Circuit(service, parts, at))
