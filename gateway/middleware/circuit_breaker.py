"""Leave a service alone while it fails; after a while let one call through as a trial."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

from gateway.catalog.model import Method, Service
from gateway.errors import (
    BadResponse,
    CircuitOpen,
    ConnectFailed,
    DeadlineExceeded,
    Failed,
    GatewayError,
    OutcomeUnknown,
    StoreUnavailable,
)
from gateway.exchange.base_urls import main_or_backup
from gateway.messages import Attempt, Call, Result
from gateway.runtime import Handler, Runtime
from gateway.state.breaker import Ticket
from gateway.streams import ResponseStream

#: Share of its own time that a service must have had for silence at the deadline to be its failure.
FAIR_SHARE = 0.9
SEVERITY = ("closed", "half_open", "open")


def breaker(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Send each attempt through the service's circuit; how it ended counts there.

    A failure is: not to be reached, no answer in the method's own time, a 5xx or a vendor's code
    that means it, an answer that cannot be understood. What the service says no to is neither
    success nor failure; for a trial it is an answer. What we refuse, our credentials and a caller
    in a hurry say nothing. A stream counts at its end, a trial's at its first byte.
    """

    return main_or_backup(method, partial(_guard_at, next_handler, runtime))


def _guard_at(
    next_handler: Handler, runtime: Runtime, method: Method, urls: tuple[str, ...]
) -> Handler:
    service = method.service
    circuits = runtime.circuits if urls == service.base_urls else runtime.backup_circuits
    circuit = circuits.of(service)
    circuit.breaker.settings = service.breaker  # the circuit outlives a reload, its settings do not
    now = runtime.clock.now

    def settle(
        ticket: Ticket, call: Call, attempts_before: int, error: BaseException | None
    ) -> None:
        if error is None:
            circuit.settle(ticket, False, "answered")
            return
        failed, reason = _judge(error, ticket, call, call.trace.attempts[attempts_before:], method)
        circuit.settle(ticket, failed, reason)

    def handle(call: Call) -> Result:
        try:
            ticket = circuit.acquire()
        except CircuitOpen as error:
            call.trace.note(now(), "breaker", f"open; {error.retry_after or 0:.3f} s left")
            raise
        attempts_before = len(call.trace.attempts)
        try:
            if ticket.trial:
                call.trace.note(now(), "breaker", "half open: this attempt is the probe")
                circuit.claim_trial(ticket, method.deadline)
            result = next_handler(call)
        except BaseException as error:
            settle(ticket, call, attempts_before, error)
            raise
        if isinstance(result.data, ResponseStream) and not ticket.trial:
            result.data.on_end(partial(settle, ticket, call, attempts_before))
        else:  # others wait for what the trial says
            circuit.settle(ticket, False, "answered")
        return result

    return handle


def _judge(
    error: BaseException, ticket: Ticket, call: Call, attempts: Sequence[Attempt], method: Method
) -> tuple[bool | None, str]:
    """Return whether the service failed, None if this says nothing about it; and why."""
    if not isinstance(error, GatewayError):
        return None, ""
    if _is_failure(error, call, attempts, method):
        return True, error.type
    if ticket.trial and attempts and attempts[-1].status is not None:
        return False, error.type
    return None, ""


def _is_failure(
    error: GatewayError, call: Call, attempts: Sequence[Attempt], method: Method
) -> bool:
    if isinstance(error, ConnectFailed | OutcomeUnknown | Failed | BadResponse):
        return True
    # A caller in a hurry would open the circuit of a service that is only as slow as it may be.
    hurried = call.timeout is not None and call.timeout < method.deadline
    if not isinstance(error, DeadlineExceeded) or hurried or not attempts:
        return False
    return attempts[-1].elapsed >= FAIR_SHARE * min(method.timeout.read, method.deadline)


def breaker_states(services: Iterable[Service], runtime: Runtime) -> dict[str, str]:
    """Return ``closed``, ``open`` or ``half_open`` by service, as far as any worker knows.

    Of the hosts that this worker has called of one, the worst counts.
    """
    services = list(services)
    circuits = [
        (service.name, circuit)
        for service in services
        for circuit in runtime.circuits.all_of(service)
    ]
    current = [str(circuit.breaker.state) for _, circuit in circuits]
    with suppress(StoreUnavailable):
        shared = runtime.store.get_many(*(circuit.key for _, circuit in circuits))
        current = [
            state.decode() if state else own for own, state in zip(current, shared, strict=True)
        ]
    states = {service.name: SEVERITY[0] for service in services}
    for (name, _), state in zip(circuits, current, strict=True):
        states[name] = max(states[name], state, key=SEVERITY.index)
    return states
