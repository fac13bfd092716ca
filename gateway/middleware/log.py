"""One log line for each attempt, and its record in the call's trace."""

from __future__ import annotations

from functools import cache

from gateway.call import Attempt, Call, Result
from gateway.catalog import Method
from gateway.errors import GatewayError
from gateway.parts import Handler, Parts


def log(method: Method, parts: Parts, following: Handler) -> Handler:
    """Who called what, how it ended, how long it took (ms), with masked parameters."""
    service, name, hidden = method.service.name, method.name, method.mask
    count = cache(lambda code: parts.metrics.attempts.labels(service, name, str(code)).inc)
    now, write, masked, clean = parts.clock.now, parts.log.info, parts.masker.params, parts.masker.said

    def handle(call: Call) -> Result:
        attempt = Attempt(code=GatewayError.code)  # until we know better: the unforeseen is no success
        call.trace.attempts.append(attempt)
        began, why = now(), None
        try:
            result = following(call)
            attempt.code = 0
            return result
        except GatewayError as error:
            attempt.code, attempt.nothing_done, why = error.code, error.nothing_done, error.detail
            raise
        finally:
            attempt.elapsed = now() - began
            count(attempt.code)()
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
                params=masked(call.params, hidden),
                **({"backup": True} if call.backup else {}),
                **({"why": clean(why, call.params, hidden)} if why else {}),
            )

    return handle
