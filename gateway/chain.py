"""The order of things around an attempt, in one list, because it is correctness; YAML only tunes numbers.

Once per call: limit (the caller's quota), idempotency, cache, fallback, deadline, retry. Once per attempt: probe,
breaker, quota (the vendor's: a cached answer uses none of it, a retry does), concurrency, log.
"""

from __future__ import annotations

from gateway.catalog import Method
from gateway.exchange import exchange
from gateway.middleware.concurrency import concurrency
from gateway.middleware.deadline import deadline
from gateway.middleware.limit import limit
from gateway.middleware.log import log
from gateway.middleware.quota import quota
from gateway.middleware.retry import retry
from gateway.parts import Handler, Middleware, Parts

CHAIN: tuple[Middleware, ...] = (
    # once per call
    limit,  # the caller's own
    deadline,  # the whole budget, handed down
    retry,  # loop, budget, Retry-After
    # once per attempt
    quota,  # the vendor's: wait for a turn, or refuse
    concurrency,  # the service's cap
    log,  # one line, one entry in the trace
)


def fold(method: Method, parts: Parts) -> Handler:
    """A method's whole chain as one function, made once per catalog."""
    handler = exchange(method, parts)
    for middleware in reversed(CHAIN):
        handler = middleware(method, parts, handler)
    return handler
