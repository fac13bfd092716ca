"""The caller's limit, the vendor's quota and the service's places, counted over all workers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from gateway.catalog.model import Method
from gateway.errors import QuotaSpent, RateLimited, TooManyCalls
from gateway.messages import Call, Result
from gateway.rates import Bucket, parse_rate
from gateway.runtime import Handler, Runtime
from gateway.streams import MAX_STREAM_SECONDS, ResponseStream

GRACE_SECONDS = 1.0  # a place is held beyond the deadline: hanging up takes a moment


def caller_limit(method: Method, runtime: Runtime) -> Callable[[Call, str], None]:
    """Return what uses a call's ``rate`` once; it raises ``RateLimited`` where that is used up."""
    now = runtime.clock.now
    hits = runtime.metrics.limit_hits
    limits = runtime.limits
    service = method.service.name

    def use(call: Call, rate: str) -> None:
        bucket = Bucket(f"limit:{call.caller.id}", parse_rate(rate))
        permit = call.trace.permit = limits.acquire_rate((bucket,))
        if not permit.allowed:
            hits.labels(service, "caller").inc()
            call.trace.note(now(), "limit", f"the caller's {rate} are used up")
            text = (
                f"Your limit of {rate} is used up; wait {_seconds(permit.wait)} s. An admin may"
                " allow more (flask app set --rate; for users DEFAULT_RATE_LIMIT)."
            )
            raise RateLimited(text, retry_after=permit.wait)

    return use


def _seconds(wait: float) -> int:
    """Return the whole seconds that ``Retry-After`` has for a wait."""
    return max(1, math.ceil(wait))


def quota(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Use the vendor's quotas of the service and of the method once for each attempt.

    With ``on_limit: wait`` the attempt waits for its turn, if that comes in time.

    :raises QuotaSpent: it is used up, or the turn would come after the deadline.
    """
    service = method.service.name
    declared = {service: method.service.rate_limit, method.full_name: method.rate_limit}
    rates = {name: rate for name, rate in declared.items() if rate}
    if not rates:
        return next_handler
    buckets = tuple(Bucket(f"quota:{name}", rate) for name, rate in rates.items())
    names = " and ".join(
        f"{name}: {rate.amount} in {rate.window:g} s" for name, rate in rates.items()
    )
    problem = f"The quota that we count for the service (rate_limit of {names}) is used up"
    hits = runtime.metrics.limit_hits
    limits = runtime.limits
    clock = runtime.clock
    waits = method.on_limit == "wait"
    advice = "" if waits else ", or have the admin set on_limit: wait"

    def handle(call: Call) -> Result:
        max_wait = 0.0
        if waits:
            max_wait = call.deadline - clock.now()
        permit = limits.acquire_rate(buckets, max_wait)
        if not permit.allowed:
            hits.labels(service, "quota").inc()
            call.trace.note(clock.now(), "quota", f"used up; a turn comes in {permit.wait:.3f} s")
            text = f"{problem}; wait {_seconds(permit.wait)} s{advice}."
            raise QuotaSpent(text, retry_after=permit.wait)
        if permit.wait:
            call.trace.note(clock.now(), "quota", f"a turn comes in {permit.wait:.3f} s")
            clock.sleep(permit.wait)
        return next_handler(call)

    return handle


def concurrency(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Hold one of the service's places during each attempt; a stream holds it until its end.

    :raises TooManyCalls: as many as ``concurrency`` allows are under way; it does not wait.
    """
    max_places = method.service.concurrency
    if max_places is None:
        return next_handler
    places_in_use = runtime.metrics.concurrency
    limits = runtime.limits
    now = runtime.clock.now
    service = method.service.name
    key = f"concurrency:{service}"
    stream_seconds = 2 * method.timeout.read + GRACE_SECONDS
    full = f"All {max_places} places of the service (concurrency) are taken; try again in a moment."

    def handle(call: Call) -> Result:
        seconds = _max_seconds(call, method, now()) + GRACE_SECONDS
        lease = limits.acquire_slot(key, max_places, seconds)
        if lease is None:
            runtime.metrics.limit_hits.labels(service, "concurrency").inc()
            call.trace.note(now(), "concurrency", f"all {max_places} places are taken")
            raise TooManyCalls(full)
        in_use = places_in_use.labels(service)
        in_use.inc()

        # A place that is not given back counts as taken until its lease ends.
        def leave(_: BaseException | None = None) -> None:
            in_use.dec()
            limits.release_slot(key, lease)

        try:
            result = next_handler(call)
        except BaseException:
            leave()
            raise
        if isinstance(result.data, ResponseStream):
            extend = partial(limits.renew_slot, key, lease, stream_seconds)
            result.data.on_piece(_throttle(extend, stream_seconds, now))
            result.data.on_end(leave)
        else:
            leave()
        return result

    return handle


def _max_seconds(call: Call, method: Method, now: float) -> float:
    uploads = call.inbound is not None and call.inbound.body is not None
    if uploads and method.stream:  # it may take its time as long as it flows, beyond the deadline
        return MAX_STREAM_SECONDS
    return call.deadline - now


def _throttle(
    extend: Callable[[], None], seconds: float, now: Callable[[], float]
) -> Callable[[], None]:
    """Hold a place while pieces come, and not much longer, should the worker die.

    :param seconds: for which ``extend`` holds it; half of them are the longest silence.
    """
    extended_at = -seconds

    def hold() -> None:
        nonlocal extended_at
        if now() - extended_at >= seconds / 2 - GRACE_SECONDS:
            extended_at = now()
            extend()

    return hold
