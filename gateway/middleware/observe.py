"""What happened to each call, for whoever asks later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial

from gateway.catalog.model import Method
from gateway.errors import GatewayError
from gateway.messages import Attempt, Call, Result
from gateway.runtime import Handler, Runtime
from gateway.streams import ResponseStream
from gateway.telemetry.call_records import EndedCall


@contextmanager
def error_context(method: Method) -> Iterator[None]:
    """Name the service and the method in every failure of the block."""
    try:
        yield
    except GatewayError as error:
        _add_context(error, method)
        raise


def explain(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Name the service and the method in every failure."""

    def handle(call: Call) -> Result:
        try:
            return next_handler(call)
        except GatewayError as error:
            _add_context(error, method)
            raise

    return handle


def _add_context(error: GatewayError, method: Method) -> None:
    error.service = method.service.name
    error.method = method.name
    error.expose_vendor_code = method.service.expose_vendor_code


def record(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Count each call once, whatever becomes of it, in the metrics and the statistics, and keep its record.

    A stream counts when it begins; its record is made at its end.
    """
    count = runtime.metrics.call(method.service.name, method.name)
    add_to_stats, add_record = runtime.stats.add, runtime.records.add
    now = runtime.clock.now

    def count_call(ended: EndedCall) -> None:
        source = ended.source or ""
        count(ended.code, source, ended.elapsed, ended.call.trace.downstream_elapsed)
        add_to_stats(ended.service, source, ended.elapsed)

    def end(call: Call, began: float, error: BaseException | None) -> EndedCall:
        return EndedCall.of(method, call, began, now() - began, error)

    def handle(call: Call) -> Result:
        began = now()
        try:
            result = next_handler(call)
        except BaseException as error:
            ended = end(call, began, error)
            count_call(ended)
            add_record(ended, method.mask)
            raise
        ended = end(call, began, None)
        count_call(ended)
        if isinstance(result.data, ResponseStream):
            result.data.on_end(lambda error: add_record(end(call, began, error), method.mask))
        else:
            add_record(ended, method.mask)
        return result

    return handle


# log: One log line for each attempt, and its record in the call's trace.


def log(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Who called what, how it ended, how long it took (ms), with masked parameters; of a stream at its end."""
    return _Log(next_handler, method, runtime).handle


class _Log:
    def __init__(self, next_handler: Handler, method: Method, runtime: Runtime) -> None:
        self._method, self._next = method, next_handler
        self._now, self._masker, self._write = runtime.clock.now, runtime.masker, runtime.log.info
        attempts, named = runtime.metrics.attempts, (method.service.name, method.name)
        self._count = cache(lambda code: attempts.labels(*named, str(code)).inc)
        self._first_byte = cache(partial(runtime.metrics.first_byte.labels, *named))

    def handle(self, call: Call) -> Result:
        began = self._now()
        # the code, until we know better: the unforeseen is no success
        attempt = Attempt(
            code=GatewayError.code,
            type=GatewayError.type,
            called=self._method.full_name,
            began=began,
        )
        call.trace.attempts.append(attempt)
        try:
            result = self._next(call)
        except BaseException as error:
            self._ended(call, attempt, error)
            raise
        if isinstance(result.data, ResponseStream):
            attempt.first_byte = attempt.elapsed = self._now() - began
            result.data.on_end(lambda error: self._ended(call, attempt, error))
        else:
            self._ended(call, attempt, None)
        return result

    def _ended(self, call: Call, attempt: Attempt, error: BaseException | None) -> None:
        why = None
        if error is None:
            attempt.code, attempt.type = 0, None
        elif isinstance(error, GatewayError):
            attempt.code, attempt.type = error.code, error.type
            attempt.nothing_done, why = error.nothing_done, error.detail
        attempt.elapsed = self._now() - attempt.began
        self._count(attempt.code)()
        if attempt.first_byte is not None:
            self._first_byte().observe(attempt.first_byte)
        call.trace.params = self._masker.params(call.params, self._method.mask)
        self._tell(call, attempt, why)

    def _tell(self, call: Call, attempt: Attempt, why: str | None) -> None:
        method, first = self._method, attempt.first_byte
        self._write(
            "attempt",
            request_id=call.request_id,
            trace_id=call.context.trace_id,
            caller=call.caller.id,
            service=method.service.name,
            method=method.name,
            attempt=len(call.trace.attempts),
            status=attempt.status,
            code=attempt.code,
            elapsed_ms=round(attempt.elapsed * 1000, 1),
            **({} if first is None else {"first_byte_ms": round(first * 1000, 1)}),
            params=call.trace.params,
            **({"backup": True} if call.backup else {}),
            **({"why": self._masker.said(why, call.params, method.mask)} if why else {}),
        )
