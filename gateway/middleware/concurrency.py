"""The service's cap on attempts under way at once, over all workers."""

from __future__ import annotations

from collections.abc import Callable

from gateway.call import Call, Result
from gateway.catalog import Method
from gateway.counts import Counts
from gateway.errors import TooManyCalls
from gateway.parts import Handler, Parts
from gateway.stores import Store
from gateway.stream import LONGEST, Stream

GRACE = 1.0  # seconds a place is held beyond the deadline: hanging up takes a moment


def concurrency(method: Method, parts: Parts, following: Handler) -> Handler:
    """A stream keeps its place until its end.

    :raises TooManyCalls: as many as ``concurrency`` allows are under way; at once, it does not wait.
    """
    most = method.service.concurrency
    if most is None:
        return following
    hits, service, in_use = parts.metrics.limit_hits, method.service.name, parts.metrics.concurrency
    counts, now, key = Counts.of(parts), parts.clock.now, f"concurrency:{method.service.name}"

    def handle(call: Call) -> Result:
        uploads = call.inbound is not None and call.inbound.body is not None
        longest = LONGEST if uploads and method.stream else call.deadline - now()
        held = counts.enter(key, most, longest + GRACE)
        if held is None:
            hits.labels(service, "concurrency").inc()
            call.trace.note(now(), "concurrency", f"all {most} places are taken")
            raise TooManyCalls
        under_way = in_use.labels(service)
        under_way.inc()

        def leave(_: BaseException | None = None) -> None:
            under_way.dec()
            counts.leave(key, held)

        try:
            result = following(call)
        except BaseException:
            leave()
            raise
        if isinstance(result.data, Stream):
            result.data.at_each(_holding(counts, key, held, 2 * method.timeout.read + GRACE, now))
            result.data.at_end(leave)
        else:
            leave()
        return result

    return handle


def _holding(
    counts: Counts, key: str, held: tuple[Store, str], seconds: float, now: Callable[[], float]
) -> Callable[[], None]:
    """Holds the place while pieces come, and not much longer: should the worker die, it is free again soon."""
    extended = -seconds

    def hold() -> None:
        nonlocal extended
        if now() - extended >= seconds / 2 - GRACE:  # the longest silence there may be between two pieces
            extended = now()
            counts.extend(key, held, seconds)

    return hold
