"""What is told of calls: failures with their context, records, metrics, a line for each attempt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.catalog.model import Method
from gateway.errors import DeadlineExceeded, GatewayError
from gateway.messages import Attempt, Call, Result
from gateway.runtime import Handler, Runtime
from gateway.streams import ResponseStream
from gateway.telemetry.ended_call import EndedCall, fault_of

MAX_MESSAGE_CHARACTERS = 500  # of a vendor's own words


def explain(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Name the service and the method in every failure, and the time where that was too short."""
    own = (
        f"The call's time budget of {method.deadline:g} s (deadline) is spent; an admin may raise"
        " that. Look whether a write was done before it is sent again."
    )

    def handle(call: Call) -> Result:
        try:
            return next_handler(call)
        except GatewayError as error:
            _add_context(error, method)
            if isinstance(error, DeadlineExceeded):
                error.message = own
                if call.timeout is not None and call.timeout < method.deadline:
                    error.message = (
                        f"The call's time budget of {call.timeout:g} s (X-Request-Timeout) is"
                        f" spent; send a larger one, up to {method.deadline:g}. Look whether a"
                        " write was done before it is sent again."
                    )
            raise

    return handle


@contextmanager
def error_context(method: Method) -> Iterator[None]:
    """Name the service and the method in the failures of a ``with`` block."""
    try:
        yield
    except GatewayError as error:
        _add_context(error, method)
        raise


def _add_context(error: GatewayError, method: Method) -> None:
    error.service = method.service.name
    error.method = method.name
    error.expose_vendor_code = method.service.expose_vendor_code
    error.expose_vendor_error = method.service.expose_vendor_error


def record(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Count each call once, whatever becomes of it, and keep its record.

    A stream counts when it begins; its record is made at its end.
    """
    service = method.service.name
    name = method.name
    hidden = method.mask
    streams = method.stream
    count = runtime.metrics.call_counter(service, name)
    add_to_stats = runtime.stats.add
    add_record = runtime.records.add
    now = runtime.clock.now

    def end(call: Call, began: float, error: BaseException | None) -> EndedCall:
        return EndedCall.of(method, call, began, now() - began, error)

    def handle(call: Call) -> Result:
        began = now()
        try:
            result = next_handler(call)
        except BaseException as error:
            ended = end(call, began, error)
            source = ended.source or ""
            count(ended.code, source, ended.elapsed, call.trace.downstream_elapsed)
            add_to_stats(service, fault_of(error), ended.elapsed)
            add_record(ended, hidden)
            raise
        elapsed = now() - began
        count(0, "", elapsed, call.trace.downstream_elapsed)
        add_to_stats(service, "", elapsed)
        # Otherwise nobody looks at the data, which may be JSON that nobody has to read.
        if streams and isinstance(result.data, ResponseStream):
            result.data.on_end(lambda error: add_record(end(call, began, error), hidden))
        else:
            add_record(EndedCall(service, name, call, began, elapsed), hidden)
        return result

    return handle


def log(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Write a line for each attempt, and its entry in the call's trace; of a stream at its end."""
    attempts = _AttemptLog(method, runtime)

    def handle(call: Call) -> Result:
        attempt = attempts.begin(call)
        try:
            result = next_handler(call)
        except BaseException as error:
            attempts.end(call, attempt, error)
            raise
        if isinstance(result.data, ResponseStream):
            attempts.note_first_byte(attempt)
            result.data.on_end(lambda error: attempts.end(call, attempt, error))
        else:
            attempts.end(call, attempt, None)
        return result

    return handle


class _AttemptLog:
    """Writes who called what, how it ended, how long it took (ms), with masked parameters."""

    def __init__(self, method: Method, runtime: Runtime) -> None:
        self._service = method.service.name
        self._name = method.name
        self._full_name = method.full_name
        self._hidden = method.mask
        self._now = runtime.clock.now
        self._masker = runtime.masker
        self._write = runtime.log.info
        self._count = runtime.metrics.attempt_counter(method.service.name, method.name)

    def begin(self, call: Call) -> Attempt:
        """Add an entry to the call's trace; until its end is known it is an unforeseen failure."""
        attempt = Attempt(
            code=GatewayError.code,
            type=GatewayError.type,
            full_name=self._full_name,
            started_at=self._now(),
        )
        call.trace.attempts.append(attempt)
        return attempt

    def note_first_byte(self, attempt: Attempt) -> None:
        attempt.first_byte = attempt.elapsed = self._now() - attempt.started_at

    def end(self, call: Call, attempt: Attempt, error: BaseException | None) -> None:
        reason = None
        if error is None:
            attempt.code = 0
            attempt.type = None
        elif isinstance(error, GatewayError):
            attempt.code = error.code
            attempt.type = error.type
            attempt.not_executed = error.not_executed
            reason = self._explain(call, attempt, error)
        attempt.elapsed = self._now() - attempt.started_at
        self._count(attempt.code, attempt.first_byte)
        call.trace.params = self._masker.mask_params(call.params, self._hidden)
        self._write_line(call, attempt, reason)

    def _explain(self, call: Call, attempt: Attempt, error: GatewayError) -> str | None:
        """Mask the vendor's words wherever they may be shown, and return the log's reason."""
        if error.vendor_code:  # a token endpoint's may be anything that stood in its answer
            error.vendor_code = self._masker.mask_call_text(
                error.vendor_code, call.params, self._hidden
            )
        if error.vendor_message:
            message = self._masker.mask_call_text(
                error.vendor_message, call.params, self._hidden, MAX_MESSAGE_CHARACTERS
            )
            error.vendor_message = message[:MAX_MESSAGE_CHARACTERS]
        if not error.detail:
            return None
        reason = self._masker.mask_call_text(error.detail, call.params, self._hidden)
        attempt.why = reason
        return reason

    def _write_line(self, call: Call, attempt: Attempt, reason: str | None) -> None:
        fields = {
            "request_id": call.request_id,
            "trace_id": call.context.trace_id,
            "caller": call.caller.id,
            "service": self._service,
            "method": self._name,
            "attempt": len(call.trace.attempts),
            "status": attempt.status,
            "code": attempt.code,
            "elapsed_ms": round(attempt.elapsed * 1000, 1),
        }
        if attempt.first_byte is not None:
            fields["first_byte_ms"] = round(attempt.first_byte * 1000, 1)
        fields["params"] = call.trace.params
        if call.backup:
            fields["backup"] = True
        if reason:
            fields["why"] = reason
        self._write("attempt", **fields)
