"""Leave a service alone while it fails; let one call through after a while to see whether it is back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.call import Attempt, Call, Result
from gateway.catalog import Method
from gateway.circuit import Circuit, circuit_of
from gateway.errors import (
    BadResponse,
    CircuitOpen,
    ConnectFailed,
    DeadlineExceeded,
    Failed,
    GatewayError,
    OutcomeUnknown,
)
from gateway.parts import Handler, Parts
from gateway.stream import Stream

ENOUGH = 0.9  # the share of its own time that a service must have had, for silence at the deadline to be its failure


def breaker(method: Method, parts: Parts, following: Handler) -> Handler:
    """Each attempt enters the service's circuit; how it ended counts there.

    A failure is: not to be reached, no answer in the method's own time, a 5xx or a vendor's code that means it, an
    answer that cannot be understood. What the service says no to is neither success nor failure; for a probe it is an
    answer. What we refuse, our credentials and a caller in a hurry say nothing. A stream counts at its end, a probe's
    at its first byte.
    """
    now = parts.clock.now
    main = _guarded(circuit_of(method.service, parts), method, now, following)
    if not method.service.backup_url:
        return main
    backup = _guarded(circuit_of(method.service, parts, "backup_url"), method, now, following)
    return lambda call: (backup if call.backup else main)(call)


def _guarded(circuit: Circuit, method: Method, now: Callable[[], float], following: Handler) -> Handler:
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
            result = following(call)
        except BaseException as error:
            settle(error)
            raise
        if isinstance(result.data, Stream) and not turn.probe:  # others wait for what the probe says
            result.data.at_end(settle)
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
