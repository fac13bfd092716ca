"""The caller's own limit, over all that it calls."""

from __future__ import annotations

from gateway.call import Call, Result
from gateway.catalog import Method
from gateway.counts import Counts
from gateway.errors import RateLimited
from gateway.parts import Handler, Parts
from gateway.rates import Bucket, rate_of


def limit(method: Method, parts: Parts, following: Handler) -> Handler:
    """:raises RateLimited: it is used up."""
    now = parts.clock.now
    counts, hits, service = Counts.of(parts), parts.metrics.limit_hits, method.service.name

    def handle(call: Call) -> Result:
        caller = call.caller
        if caller.rate is not None:
            rate = rate_of(caller.rate)
            turn = call.trace.turn = counts.take((Bucket(f"limit:{caller.id}", rate),))
            if not turn.taken:
                hits.labels(service, "caller").inc()
                call.trace.note(now(), "limit", f"the caller's {caller.rate} are used up")
                raise RateLimited(retry_after=turn.wait)
        return following(call)

    return handle
