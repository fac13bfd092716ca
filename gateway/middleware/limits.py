"""The caller's own limit, over all that it calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from gateway.catalog.model import Method
from gateway.clock import Clock
from gateway.errors import QuotaSpent, RateLimited, StoreAway, TooManyCalls
from gateway.messages import Call, Result
from gateway.rates import Bucket, Turn, rate_of
from gateway.runtime import Handler, Runtime
from gateway.stores import MemoryStore, Store
from gateway.streams import MAX_STREAM_SECONDS, ResponseStream

# counts: Counting that all workers share, and that each goes on with by itself while the store is away.


class Counts:
    """``Store``'s ``take``, ``enter``, ``extend`` and ``leave``; none of them raises ``StoreAway``."""

    def __init__(self, shared: Store, clock: Clock) -> None:
        self._shared, self._own = shared, MemoryStore(clock)

    @classmethod
    def of(cls, runtime: Runtime) -> Counts:
        """The one of this process."""
        return runtime.keep("counts", lambda: cls(runtime.store, runtime.clock))

    def take(self, buckets: Sequence[Bucket], patience: float = 0.0) -> Turn:
        try:
            return self._shared.take(buckets, patience)
        except StoreAway:
            return self._own.take(buckets, patience)

    def enter(self, key: str, most: int, ttl: float) -> tuple[Store, str] | None:
        """:returns: the lease and where it is held; None while all places are taken."""
        try:
            store, lease = self._shared, self._shared.enter(key, most, ttl)
        except StoreAway:
            store, lease = self._own, self._own.enter(key, most, ttl)
        return (store, lease) if lease is not None else None

    @staticmethod
    def extend(key: str, held: tuple[Store, str], ttl: float) -> None:
        store, lease = held
        with suppress(StoreAway):  # it may end early: then one more than allowed gets in
            store.extend(key, lease, ttl)

    @staticmethod
    def leave(key: str, held: tuple[Store, str]) -> None:
        store, lease = held
        with suppress(StoreAway):  # it ends by itself
            store.leave(key, lease)


# limit: The caller's own limit, over all that it calls.


def limit(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """:raises RateLimited: it is used up."""
    now = runtime.clock.now
    counts, hits, service = Counts.of(runtime), runtime.metrics.limit_hits, method.service.name

    def handle(call: Call) -> Result:
        caller = call.caller
        if caller.rate is not None:
            rate = rate_of(caller.rate)
            turn = call.trace.turn = counts.take((Bucket(f"limit:{caller.id}", rate),))
            if not turn.taken:
                hits.labels(service, "caller").inc()
                call.trace.note(now(), "limit", f"the caller's {caller.rate} are used up")
                raise RateLimited(retry_after=turn.wait)
        return next_handler(call)

    return handle


# quota: The vendor's quota, as the catalog tells it: of the service and of the method, over all callers and workers.


def quota(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """One use for each attempt; with ``on_limit: wait`` the attempt waits for its turn, if that comes in time.

    :raises QuotaSpent: it is used up, or the turn would come after the deadline.
    """
    declared = (
        (method.service.name, method.service.rate_limit),
        (method.full_name, method.rate_limit),
    )
    buckets = tuple(Bucket(f"quota:{name}", rate) for name, rate in declared if rate)
    if not buckets:
        return next_handler
    hits, service = runtime.metrics.limit_hits, method.service.name
    counts, clock, waits = Counts.of(runtime), runtime.clock, method.on_limit == "wait"

    def handle(call: Call) -> Result:
        turn = counts.take(buckets, call.deadline - clock.now() if waits else 0.0)
        if not turn.taken:
            hits.labels(service, "quota").inc()
            call.trace.note(clock.now(), "quota", f"used up; a turn comes in {turn.wait:.3f} s")
            raise QuotaSpent(retry_after=turn.wait)
        if turn.wait:
            call.trace.note(clock.now(), "quota", f"a turn comes in {turn.wait:.3f} s")
            clock.sleep(turn.wait)
        return next_handler(call)

    return handle


# concurrency: The service's cap on attempts under way at once, over all workers.

GRACE = 1.0  # seconds a place is held beyond the deadline: hanging up takes a moment


def concurrency(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """A stream keeps its place until its end.

    :raises TooManyCalls: as many as ``concurrency`` allows are under way; at once, it does not wait.
    """
    most = method.service.concurrency
    if most is None:
        return next_handler
    hits, service, in_use = (
        runtime.metrics.limit_hits,
        method.service.name,
        runtime.metrics.concurrency,
    )
    counts, now, key = Counts.of(runtime), runtime.clock.now, f"concurrency:{method.service.name}"

    def handle(call: Call) -> Result:
        uploads = call.inbound is not None and call.inbound.body is not None
        longest = MAX_STREAM_SECONDS if uploads and method.stream else call.deadline - now()
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
            result = next_handler(call)
        except BaseException:
            leave()
            raise
        if isinstance(result.data, ResponseStream):
            result.data.on_piece(_holding(counts, key, held, 2 * method.timeout.read + GRACE, now))
            result.data.on_end(leave)
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
        if (
            now() - extended >= seconds / 2 - GRACE
        ):  # the longest silence there may be between two pieces
            extended = now()
            counts.extend(key, held, seconds)

    return hold
