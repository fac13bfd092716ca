"""What a chain is made of: the parts all chains share, and what a handler and a middleware are."""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from gateway.catalog.model import Method
from gateway.clock import Clock
from gateway.http.client import Client
from gateway.http.resolver import Resolver
from gateway.masking import Masker
from gateway.messages import Call, Result
from gateway.metrics import Metrics
from gateway.signers.tokens import Tokens
from gateway.stores import Store
from gateway.telemetry.call_records import CallRecords
from gateway.telemetry.service_stats import ServiceStats

T = TypeVar("T")

#: Answers a call or raises a ``GatewayError``.
Handler = Callable[[Call], Result]


class Log(Protocol):
    """A structlog logger, as far as the gateway uses one."""

    def debug(self, event: str, **fields: Any) -> Any: ...
    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...
    def error(self, event: str, **fields: Any) -> Any: ...


def _no_catalog(method: Method, runtime: Runtime) -> tuple[Method, Handler]:
    raise LookupError(f"{method.full_name} is in no catalog")


@dataclass(frozen=True)
class Runtime:
    """What all chains share, over reloads too.

    :param store: what all workers share.
    :param dumps: each exchange with a service is shown in the log, at its debug level.
    :param stand_in: by a method, its ``fallback.call`` of the same catalog, with the chain that a call goes on to. It
        is given these parts, so that they do not refer to themselves: a catalog is freed without the collector.
    """

    client: Client
    tokens: Tokens
    store: Store
    metrics: Metrics
    clock: Clock
    log: Log
    masker: Masker
    jitter: Callable[[], float]
    records: CallRecords
    stats: ServiceStats
    stand_in: Callable[[Method, Runtime], tuple[Method, Handler]] = field(default=_no_catalog)
    dumps: bool = False
    _kept: dict[Hashable, Any] = field(default_factory=dict)

    @classmethod
    def over(
        cls,
        store: Store,
        *,
        metrics: Metrics,
        clock: Clock,
        log: Log,
        masker: Masker,
        jitter: Callable[[], float] = random.random,
    ) -> Runtime:
        """With a client and tokens of their own.

        :param log: gets one line per attempt.
        :param masker: learns the catalog's secrets and every token that is fetched.
        :param jitter: evenly random, 0 up to 1; spreads the waits between attempts.
        """
        tokens = Tokens(clock, store, masker, jitter)
        return cls(
            client=Client(clock, Resolver(clock)),
            tokens=tokens,
            store=store,
            metrics=metrics,
            clock=clock,
            log=log,
            masker=masker,
            jitter=jitter,
            records=CallRecords(store, clock, masker, log.warning),
            stats=ServiceStats(store, clock),
        )

    def keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """The one of this key in this process, made at first: what must survive a reload, such as a breaker's state.

        :param key: a text for what the process has one of, ``(what, service)`` for what a service has one of.
        """
        kept: T | None = self._kept.get(key)
        return kept if kept is not None else self._kept.setdefault(key, make())

    def retain(self, services: Container[str]) -> None:
        """Forget what was kept for services that are gone; calls in flight finish on what they have."""
        for key in list(self._kept):
            if isinstance(key, tuple) and key[1] not in services:
                self._kept.pop(key, None)


class Middleware(Protocol):
    """Made once per method when a catalog loads; answers ``next_handler`` itself where the method does not use it."""

    def __call__(self, next_handler: Handler, method: Method, runtime: Runtime) -> Handler: ...
