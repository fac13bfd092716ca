"""Each call counts once, whatever becomes of it: by its code, by whose fault it was, and how long it took."""

from __future__ import annotations

from gateway.call import Call, Result
from gateway.catalog import Method
from gateway.errors import GatewayError
from gateway.parts import Handler, Parts
from gateway.tally import tally_of


def measure(method: Method, parts: Parts, following: Handler) -> Handler:
    count, now = parts.metrics.call(method.service.name, method.name), parts.clock.now
    service, note = method.service.name, tally_of(parts).note

    def handle(call: Call) -> Result:
        began, code, source = now(), GatewayError.code, GatewayError.source  # the unforeseen is no success
        try:
            result = following(call)
            code, source = 0, ""
            return result
        except GatewayError as error:
            code, source = error.code, error.source
            raise
        finally:
            elapsed = now() - began
            count(code, source, elapsed, call.trace.downstream_elapsed)
            note((service, source, elapsed))

    return handle
