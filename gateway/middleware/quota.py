"""The vendor's quota, as the catalog tells it: of the service and of the method, over all callers and workers."""

from __future__ import annotations

from gateway.call import Call, Result
from gateway.catalog import Method
from gateway.counts import Counts
from gateway.errors import QuotaSpent
from gateway.parts import Handler, Parts
from gateway.rates import Bucket


def quota(method: Method, parts: Parts, following: Handler) -> Handler:
    """One use for each attempt; with ``on_limit: wait`` the attempt waits for its turn, if that comes in time.

    :raises QuotaSpent: it is used up, or the turn would come after the deadline.
    """
    declared = ((method.service.name, method.service.rate_limit), (method.full_name, method.rate_limit))
    buckets = tuple(Bucket(f"quota:{name}", rate) for name, rate in declared if rate)
    if not buckets:
        return following
    hits, service = parts.metrics.limit_hits, method.service.name
    counts, clock, waits = Counts.of(parts), parts.clock, method.on_limit == "wait"

    def handle(call: Call) -> Result:
        turn = counts.take(buckets, call.deadline - clock.now() if waits else 0.0)
        if not turn.taken:
            hits.labels(service, "quota").inc()
            call.trace.note(clock.now(), "quota", f"used up; a turn comes in {turn.wait:.3f} s")
            raise QuotaSpent(retry_after=turn.wait)
        if turn.wait:
            call.trace.note(clock.now(), "quota", f"a turn comes in {turn.wait:.3f} s")
            clock.sleep(turn.wait)
        return following(call)

    return handle
