"""Leave a service alone while it fails; let one call through after a while to see whether it is back."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from gateway.catalog.model import Breaker, Method, Service
from gateway.clock import Clock
from gateway.errors import (
    BadResponse,
    CircuitOpen,
    ConnectFailed,
    DeadlineExceeded,
    Failed,
    GatewayError,
    OutcomeUnknown,
    StoreAway,
)
from gateway.messages import Attempt, Call, Result
from gateway.runtime import Handler, Runtime
from gateway.streams import ResponseStream

# breaker: A circuit breaker: closed, open, half-open; told how calls ended, it says whether the next one may go.

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
            calls, failures = (
                self.seen
            )  # a success opens nothing: the failures before it may be over
            if (
                failed
                and calls >= self.settings.min_calls
                and failures >= self.settings.failure_rate * calls
            ):
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


# circuit: One service's circuit, shared by all workers: what one of them learns, the others hear of.

FRESH = 0.1  # seconds for which a closed circuit goes by what the store said last
LOOK = (
    0.1  # the share of ``open_for`` after which a worker looks again how another's probe has ended
)
ELSEWHERE = "another worker's finding"


class Circuit:
    def __init__(self, service: Service, runtime: Runtime, at: str) -> None:
        self.breaker = CircuitBreaker(runtime.clock, service.breaker)
        self._store, self._log, self._transitions = (
            runtime.store,
            runtime.log,
            runtime.metrics.breaker_transitions,
        )
        self._said = {"service": service.name, "at": at}
        self.key = f"breaker:{service.name}:{at}"
        self._clock, self._look_at, self._lock = runtime.clock, 0.0, threading.Lock()

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
            what = (
                "the one call let through"
                if turn.probe
                else f"{failures} of {calls} calls failed, the last"
            )
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
            known = self._store.get(
                self.key
            )  # after the lock: whoever had it wrote before letting go
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


def states_of(services: Iterable[Service], runtime: Runtime) -> dict[str, str]:
    """``closed``, ``open`` or ``half_open`` by service, as far as any worker knows; asked in the time of one."""
    circuits = {service.name: circuit_of(service, runtime) for service in services}
    known: Iterable[bytes | None] = [None] * len(circuits)
    with suppress(StoreAway):
        known = runtime.store.get_many(*(each.key for each in circuits.values()))
    return {
        name: said.decode() if said else circuit.breaker.state
        for (name, circuit), said in zip(circuits.items(), known, strict=True)
    }


def circuit_of(service: Service, runtime: Runtime, at: str = "base_url") -> Circuit:
    """A service's circuit, kept over reloads.

    :param at: ``base_url``, or ``backup_url``, which fails for reasons of its own.
    """
    return runtime.keep(("circuit", service.name, at), lambda: Circuit(service, runtime, at))


# breaker: Leave a service alone while it fails; let one call through after a while to see whether it is back.

ENOUGH = 0.9  # the share of its own time that a service must have had, for silence at the deadline to be its failure


def breaker(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Each attempt enters the service's circuit; how it ended counts there.

    A failure is: not to be reached, no answer in the method's own time, a 5xx or a vendor's code that means it, an
    answer that cannot be understood. What the service says no to is neither success nor failure; for a probe it is an
    answer. What we refuse, our credentials and a caller in a hurry say nothing. A stream counts at its end, a probe's
    at its first byte.
    """
    now = runtime.clock.now
    main = _guarded(circuit_of(method.service, runtime), method, now, next_handler)
    if not method.service.backup_url:
        return main
    backup = _guarded(circuit_of(method.service, runtime, "backup_url"), method, now, next_handler)
    return lambda call: (backup if call.backup else main)(call)


def _guarded(
    circuit: Circuit, method: Method, now: Callable[[], float], next_handler: Handler
) -> Handler:
    circuit.breaker.settings = method.service.breaker

    def handle(call: Call) -> Result:
        try:
            turn, before = circuit.enter(), len(call.trace.attempts)
        except CircuitOpen as error:
            call.trace.note(now(), "breaker", f"open; {error.retry_after or 0:.3f} s left")
            raise

        def settle(error: BaseException | None) -> None:
            failed, why = (False, "answered") if error is None else (None, "")
            if isinstance(error, GatewayError):
                sent = call.trace.attempts[before:]
                if _is_failure(error, call, sent, method):
                    failed, why = True, error.type
                elif turn.probe and sent and sent[-1].status is not None:
                    failed, why = False, error.type
            circuit.settle(turn, failed, why)

        try:
            if turn.probe:
                call.trace.note(now(), "breaker", "half open: this attempt is the probe")
                circuit.claim(turn, method.deadline)
            result = next_handler(call)
        except BaseException as error:
            settle(error)
            raise
        if (
            isinstance(result.data, ResponseStream) and not turn.probe
        ):  # others wait for what the probe says
            result.data.on_end(settle)
        else:
            settle(None)
        return result

    return handle


def _is_failure(error: GatewayError, call: Call, sent: Sequence[Attempt], method: Method) -> bool:
    if isinstance(error, ConnectFailed | OutcomeUnknown | Failed | BadResponse):
        return True
    hurried = call.timeout is not None and call.timeout < method.deadline
    if not isinstance(error, DeadlineExceeded) or hurried or not sent:
        return False
    return sent[-1].elapsed >= ENOUGH * min(method.timeout.read, method.deadline)
