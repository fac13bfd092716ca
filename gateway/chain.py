"""A method's chain: the middlewares in their order around one exchange with the service.

The order is correctness. A middleware that a method does not need is not in its chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from gateway.catalog.model import Catalog, Method, Service
from gateway.clock import Pause
from gateway.errors import NotFound
from gateway.exchange.attempt import exchange
from gateway.exchange.base_urls import main_or_backup
from gateway.messages import Call, Caller, Result
from gateway.middleware.admission import admit, deadline
from gateway.middleware.cache import cache
from gateway.middleware.circuit_breaker import breaker
from gateway.middleware.fallback import fallback
from gateway.middleware.health import health
from gateway.middleware.idempotency import idempotency
from gateway.middleware.limits import concurrency, quota
from gateway.middleware.observe import explain, log, record
from gateway.middleware.paginate import paginate
from gateway.middleware.retry import retry
from gateway.passthrough import proxy_exchange, stream_exchange
from gateway.runtime import Handler, Middleware, Runtime

MAX_NAMES_CHARACTERS = 200  # of what a caller named, in a message
SERVICES_HINT = "GET /api/v1/services lists those that you may call."
#: Run once per call, the first outermost.
PER_CALL: tuple[Middleware, ...] = (
    explain,  # a failure names the service and the method
    record,  # counted once, whatever becomes of it, and its record
    admit,  # may this caller, are the parameters right, is its limit left
    idempotency,  # under a caller's key: once, and its first answer again
    cache,  # fresh, stale, or one exchange for all who ask the same at once
    fallback,  # another method, the backup URL, or a declared answer
    deadline,  # the whole budget, handed down
    paginate,  # all pages of a list, where all are asked for; each is sent as a call
    retry,  # loop, budget, Retry-After
)

#: Run once per attempt, inside ``retry``.
PER_ATTEMPT: tuple[Middleware, ...] = (
    health,  # what the probes say
    breaker,  # this service's circuit
    quota,  # the vendor's: a cached answer uses none of it, a retry does
    concurrency,  # the service's cap
    log,  # one line, one entry in the trace
)

CHAIN = PER_CALL + PER_ATTEMPT

#: The chain of a method that stands in for another: the caller was admitted, its key was met.
STAND_IN = CHAIN[CHAIN.index(cache) :]


@dataclass(frozen=True)
class Chains:
    """A catalog with the chain of each of its methods; swapped whole."""

    catalog: Catalog
    handlers: Mapping[tuple[str, str], tuple[Method, Handler]]

    @classmethod
    def build(cls, catalog: Catalog, runtime: Runtime) -> Chains:
        """Return every method of a catalog with its chain, by the names of service and method."""
        runtime = replace(runtime, stand_in=partial(_stand_in, catalog))
        pause = Pause(runtime.clock)
        handlers = {}
        for method in catalog.methods():
            pause()
            handlers[method.service.name, method.name] = method, build_chain(method, runtime)
        for service in catalog.services.values():
            for kind, method in service.proxied.items():
                handler = _wrap(proxy_exchange, method, runtime, CHAIN)
                # No method's name has a space.
                handlers[service.name, f"{method.name} {kind}"] = method, handler
        return cls(catalog, handlers)

    def find(
        self, service: str, method: str, caller: Caller | None = None
    ) -> tuple[Method, Handler]:
        """
        :param caller: hears of a near name only where it may call what is named so.
        :raises NotFound: no such service or method.
        """
        entry = self.handlers.get((service, method))
        if entry is not None:
            return entry
        declared = self.catalog.services.get(service)
        if declared is None:
            message = f"There is no service {service}"
            services = self.catalog.services.values()
            names = [entry.name for entry in services if _callable_methods(entry, caller)]
            name = service.partition(".")[0]  # of service.method, as lists of methods have it
            raise NotFound.among(f"{_shorten(message)} {SERVICES_HINT}", name, names)
        message = f"There is no method {service}.{method}"
        text = f"{_shorten(message)} GET /api/v1/services/{service} lists its methods."
        raise NotFound.among(text, method, _callable_methods(declared, caller))

    def run(self, call: Call) -> Result:
        """Run one part of several calls on the catalog that all of them began with."""
        _, handler = self.find(call.service, call.method, call.caller)
        return handler(call)


def _callable_methods(service: Service, caller: Caller | None) -> list[str]:
    """Return the names of the methods that the caller may call."""
    if caller is None:
        return []
    name = service.name
    return [method for method in service.methods if caller.may_call(name, method, service.roles)]


def _shorten(message: str) -> str:
    """Return a sentence that names what a caller named, within bounds."""
    return message[: len("There is no ") + MAX_NAMES_CHARACTERS] + "."


def build_chain(method: Method, runtime: Runtime, chain: tuple[Middleware, ...] = CHAIN) -> Handler:
    """Return the whole chain of a method as one function."""
    if method.stream:
        return _wrap(stream_exchange, method, runtime, chain)
    return _wrap(exchange, method, runtime, chain)


def _wrap(
    exchange_at: Callable[[Runtime, Method, tuple[str, ...]], Handler],
    method: Method,
    runtime: Runtime,
    chain: tuple[Middleware, ...],
) -> Handler:
    handler = main_or_backup(method, partial(exchange_at, runtime))
    for middleware in reversed(chain):
        handler = middleware(handler, method, runtime)
    return handler


def _stand_in(catalog: Catalog, method: Method, runtime: Runtime) -> tuple[Method, Handler]:
    assert method.fallback and method.fallback.call
    service, _, name = method.fallback.call.partition(".")
    other = catalog.services[service].methods[name]
    # What may not be logged of the method may not be logged of its stand-in.
    other = replace(other, mask=other.mask | method.mask)
    return other, build_chain(other, runtime, STAND_IN)
