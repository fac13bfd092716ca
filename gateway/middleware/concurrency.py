"""The service's cap on attempts under way at once, over all workers."""

from __future__ import annotations

from gateway.call import Call, Result
from gateway.catalog import Method
from gateway.counts import Counts
from gateway.errors import TooManyCalls
from gateway.parts import Handler, Parts

GRACE = 1.0  # seconds a place is held beyond the deadline: hanging up takes a moment


def concurrency(method: Method, parts: Parts, following: Handler) -> Handler:
    """:raises TooManyCalls: as many as ``concurrency`` allows are under way; at once, it does not wait."""
    most = method.service.concurrency
    if most is None:
        return following
    hits, service, in_use = parts.metrics.limit_hits, method.service.name, parts.metrics.concurrency
    counts, now, key = Counts.of(parts), parts.clock.now, f"concurrency:{method.service.name}"

    def handle(call: Call) -> Result:
        held = counts.enter(key, most, call.deadline - now() + GRACE)
        if held is None:
            hits.labels(service, "concurrency").inc()
            raise TooManyCalls
        under_way = in_use.labels(service)
        under_way.inc()
        try:
            return following(call)
        finally:
            under_way.dec()
            counts.leave(key, held)

    return handle
