"""The order of things around an attempt, in one list, because it is correctness; YAML only tunes numbers.

Once per call: record, measure, admit, limit (the caller's quota), idempotency, cache, fallback, deadline, retry. Once
per attempt: probe, breaker, quota (the vendor's: a cached answer uses none of it, a retry does), concurrency, log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from gateway.catalog.model import Catalog, Method
from gateway.clock import Pause
from gateway.exchange import exchange
from gateway.middleware.admission import admit, deadline
from gateway.middleware.cache import cache
from gateway.middleware.circuit_breaker import breaker
from gateway.middleware.fallback import fallback
from gateway.middleware.health import health
from gateway.middleware.idempotency import idempotency
from gateway.middleware.limits import concurrency, limit, quota
from gateway.middleware.observe import log, measure, record
from gateway.middleware.retry import retry
from gateway.passthrough import proxy_exchange, stream_exchange
from gateway.runtime import Handler, Middleware, Parts

CHAIN: tuple[Middleware, ...] = (
    # once per call
    record,  # what happened to it
    measure,  # counted once, whatever becomes of it
    admit,  # may this caller, and are the parameters right
    limit,  # the caller's own
    idempotency,  # under a caller's key: once, and its first answer again
    cache,  # fresh, stale, or one exchange for all who ask the same at once
    fallback,  # another method, the backup URL, or a declared answer
    deadline,  # the whole budget, handed down
    retry,  # loop, budget, Retry-After
    # once per attempt
    health,  # what the probes say
    breaker,  # this service's circuit
    quota,  # the vendor's: wait for a turn, or refuse
    concurrency,  # the service's cap
    log,  # one line, one entry in the trace
)


#: Of a method that stands in for another: the caller's limit and its key were met already.
STAND_IN = CHAIN[CHAIN.index(cache) :]


Innermost = Callable[[Method, Parts], Handler]


def fold(method: Method, parts: Parts, chain: tuple[Middleware, ...] = CHAIN) -> Handler:
    """A method's whole chain as one function, made once per catalog."""
    return _fold(method, parts, chain, stream_exchange if method.stream else exchange)


def _fold(
    method: Method, parts: Parts, chain: tuple[Middleware, ...], innermost: Innermost
) -> Handler:
    handler = innermost(method, parts)
    for middleware in reversed(chain):
        handler = middleware(method, parts, handler)
    return handler


def fold_all(catalog: Catalog, parts: Parts) -> dict[tuple[str, str], tuple[Method, Handler]]:
    """Every method of a catalog with its chain, by the names of service and method."""
    parts, pause = replace(parts, stand_in=partial(_stand_in, catalog)), Pause(parts.clock)
    handlers = {}
    for method in catalog.methods():
        pause()
        handlers[method.service.name, method.name] = method, fold(method, parts)
    for service in catalog.services.values():
        for kind, method in service.proxied.items():  # no method's name has a space
            handlers[service.name, f"{method.name} {kind}"] = (
                method,
                _fold(method, parts, CHAIN, proxy_exchange),
            )
    return handlers


def _stand_in(catalog: Catalog, method: Method, parts: Parts) -> tuple[Method, Handler]:
    assert method.fallback and method.fallback.call
    service, _, name = method.fallback.call.partition(".")
    other = catalog.services[service].methods[name]
    other = replace(
        other, mask=other.mask | method.mask
    )  # what may not be logged there may not be here
    return other, fold(other, parts, STAND_IN)
