"""One log line for each attempt, and its record in the call's trace."""

from __future__ import annotations

from functools import cache, partial

from gateway.call import Attempt, Call, Result
from gateway.catalog import Method
from gateway.errors import GatewayError
from gateway.parts import Handler, Parts
from gateway.stream import Stream


def log(method: Method, parts: Parts, following: Handler) -> Handler:
    """Who called what, how it ended, how long it took (ms), with masked parameters; of a stream at its end."""
    return _Log(method, parts, following).handle


class _Log:
    def __init__(self, method: Method, parts: Parts, following: Handler) -> None:
        self._method, self._following = method, following
        self._now, self._masker, self._write = parts.clock.now, parts.masker, parts.log.info
        attempts, named = parts.metrics.attempts, (method.service.name, method.name)
        self._count = cache(lambda code: attempts.labels(*named, str(code)).inc)
        self._first_byte = cache(partial(parts.metrics.first_byte.labels, *named))

    def handle(self, call: Call) -> Result:
        began = self._now()
        # the code, until we know better: the unforeseen is no success
        attempt = Attempt(code=GatewayError.code, type=GatewayError.type, called=self._method.full_name, began=began)
        call.trace.attempts.append(attempt)
        try:
            result = self._following(call)
        except BaseException as error:
            self._ended(call, attempt, error)
            raise
        if isinstance(result.data, Stream):
            attempt.first_byte = attempt.elapsed = self._now() - began
            result.data.at_end(lambda error: self._ended(call, attempt, error))
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
