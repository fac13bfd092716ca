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
    service, name, hidden = method.service.name, method.name, method.mask
    count = cache(lambda code: parts.metrics.attempts.labels(service, name, str(code)).inc)
    full_name, first_byte = method.full_name, cache(partial(parts.metrics.first_byte.labels, service, name))
    now, write, masked, clean = parts.clock.now, parts.log.info, parts.masker.params, parts.masker.said

    def over(call: Call, attempt: Attempt, began: float, error: BaseException | None) -> None:
        why = None
        if error is None:
            attempt.code, attempt.type = 0, None
        elif isinstance(error, GatewayError):
            attempt.code, attempt.type = error.code, error.type
            attempt.nothing_done, why = error.nothing_done, error.detail
        attempt.elapsed = now() - began
        count(attempt.code)()
        first = attempt.first_byte
        if first is not None:
            first_byte().observe(first)
        call.trace.params = masked(call.params, hidden)
        write(
            "attempt",
            request_id=call.request_id,
            trace_id=call.context.trace_id,
            caller=call.caller.id,
            service=service,
            method=name,
            attempt=len(call.trace.attempts),
            status=attempt.status,
            code=attempt.code,
            elapsed_ms=round(attempt.elapsed * 1000, 1),
            **({} if first is None else {"first_byte_ms": round(first * 1000, 1)}),
            params=call.trace.params,
            **({"backup": True} if call.backup else {}),
            **({"why": clean(why, call.params, hidden)} if why else {}),
        )

    def handle(call: Call) -> Result:
        began = now()  # the code, until we know better: the unforeseen is no success
        attempt = Attempt(code=GatewayError.code, type=GatewayError.type, called=full_name, began=began)
        call.trace.attempts.append(attempt)
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
