"""One log line for each attempt, and its record in the call's trace."""

from __future__ import annotations

from functools import cache

from gateway.call import Attempt, Call, Result
from gateway.catalog import Method
from gateway.errors import GatewayError
from gateway.parts import Handler, Parts
from gateway.stream import Stream


def log(method: Method, parts: Parts, following: Handler) -> Handler:
    """Who called what, how it ended, how long it took (ms), with masked parameters; of a stream at its end."""
    service, name, hidden = method.service.name, method.name, method.mask
    count = cache(lambda code: parts.metrics.attempts.labels(service, name, str(code)).inc)
    now, write, masked, clean = parts.clock.now, parts.log.info, parts.masker.params, parts.masker.said

    def over(call: Call, attempt: Attempt, began: float, error: BaseException | None) -> None:
        why = None
        if error is None:
            attempt.code = 0
        elif isinstance(error, GatewayError):
            attempt.code, attempt.nothing_done, why = error.code, error.nothing_done, error.detail
        attempt.elapsed = now() - began
        count(attempt.code)()
        first = attempt.first_byte
        write(
            "attempt",
            request_id=call.request_id,
            caller=call.caller.id,
            service=service,
            method=name,
            attempt=len(call.trace.attempts),
            status=attempt.status,
            code=attempt.code,
            elapsed_ms=round(attempt.elapsed * 1000, 1),
            **({} if first is None else {"first_byte_ms": round(first * 1000, 1)}),
            params=masked(call.params, hidden),
            **({"backup": True} if call.backup else {}),
            **({"why": clean(why, call.params, hidden)} if why else {}),
        )

    def handle(call: Call) -> Result:
        attempt = Attempt(code=GatewayError.code)  # until we know better: the unforeseen is no success
        call.trace.attempts.append(attempt)
        began = now()
        try:
            result = following(call)
        except BaseException as error:
            over(call, attempt, began, error)
            raise
        if isinstance(result.data, Stream):
            attempt.first_byte = attempt.elapsed = now() - began
            result.data.at_end(lambda error: over(call, attempt, began, error))
        else:
            over(call, attempt, began, None)
        return result

    return handle
