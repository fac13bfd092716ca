"""What all chains of a process share, and what a handler and a middleware are."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, Self, TypeVar

from gateway.catalog.model import Method, Service
from gateway.clock import Clock
from gateway.http.client import Client
from gateway.http.connect.resolver import Resolver
from gateway.masking import Masker
from gateway.messages import Call, Result
from gateway.metrics import Metrics
from gateway.signers.tokens.connection_store import Connections, NoConnections
from gateway.signers.tokens.token_cache import Tokens
from gateway.state.answer_cache import AnswerCache
from gateway.state.health_verdicts import HealthVerdicts
from gateway.state.retry_budget import RetryBudget
from gateway.state.shared_circuit import SharedCircuit
from gateway.state.single_flight import SingleFlight
from gateway.stores import FallbackStore, Store
from gateway.telemetry.call_records import CallRecords
from gateway.telemetry.service_stats import ServiceStats

T = TypeVar("T")

MAX_PLACES = 10_000  # services, and hosts that callers choose, of which something is kept
#: Of cached answers in the background at once; beyond that the next call tries again.
MAX_RENEWALS = 16

#: Answers a call or raises a ``GatewayError``.
Handler = Callable[[Call], Result]
#: Called once per method at load; returns the handler it is given where the method needs no more.
Middleware = Callable[[Handler, Method, "Runtime"], Handler]


class Log(Protocol):
    """What the gateway asks of a log: a line for each event, with keys."""

    def debug(self, event: str, **fields: Any) -> Any: ...
    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...
    def error(self, event: str, **fields: Any) -> Any: ...


class PerService(Generic[T]):
    """One object for each service, made when it is first asked for and kept over reloads.

    Where callers choose a service's host, it is one for each host.

    :param make: called with the service as it is then.
    """

    def __init__(self, make: Callable[[Service], T]) -> None:
        self._make = make
        self._items: dict[str, T] = {}

    def of(self, service: Service) -> T:
        item = self._items.get(service.place)
        if item is not None:
            return item
        if service.host and len(self._items) >= MAX_PLACES:
            self._forget_host()
        return self._items.setdefault(service.place, self._make(service))

    def all_of(self, service: Service) -> list[T]:
        """Return the service's object, or those of the hosts that were called."""
        if not service.params:
            return [self.of(service)]
        prefix = f"{service.name}@"
        return [item for name, item in list(self._items.items()) if name.startswith(prefix)]

    def _forget_host(self) -> None:
        """Forget the host that was called first."""
        oldest = next((name for name in list(self._items) if "@" in name), None)
        if oldest is not None:
            self._items.pop(oldest, None)

    def retain(self, names: Container[str]) -> None:
        """Forget services that are gone; calls in flight finish on what they have."""
        for name in list(self._items):
            if name.partition("@")[0] not in names:
                self._items.pop(name, None)


def _no_catalog(method: Method, runtime: Runtime) -> tuple[Method, Handler]:
    raise LookupError(f"{method.full_name} is in no catalog")


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What all chains of a process share, over reloads too; ``create`` makes it.

    :param store: what all workers share.
    :param log: gets one line per attempt.
    :param masker: learns the catalog's secrets and every token that is fetched.
    :param jitter: evenly random, 0 up to 1; spreads the waits between attempts.
    :param connections: keeps the refresh tokens of services that an account is connected to.
    :param dumps: each exchange with a service is shown in the log, at its debug level.
    :param stand_in: by a method, its ``fallback.call`` of the same catalog, with that one's chain.
        It is given this runtime, which does not refer to itself: a catalog is freed at once.
    """

    client: Client
    tokens: Tokens
    store: Store
    metrics: Metrics
    clock: Clock
    log: Log
    masker: Masker
    jitter: Callable[[], float]

    answers: AnswerCache
    single_flight: SingleFlight
    renewal_slots: threading.Semaphore
    records: CallRecords
    stats: ServiceStats
    limits: FallbackStore
    verdicts: HealthVerdicts
    circuits: PerService[SharedCircuit]
    backup_circuits: PerService[SharedCircuit]
    retry_budgets: PerService[RetryBudget]

    stand_in: Callable[[Method, Runtime], tuple[Method, Handler]] = _no_catalog
    connections: Connections = field(default_factory=NoConnections)
    dumps: bool = False

    @classmethod
    def create(
        cls,
        store: Store,
        *,
        metrics: Metrics,
        clock: Clock,
        log: Log,
        masker: Masker,
        jitter: Callable[[], float] = random.random,
    ) -> Self:
        """Return a runtime with a client of its own and nothing remembered."""
        make_circuit = partial(
            SharedCircuit, store=store, clock=clock, metrics=metrics, warn=log.warning
        )
        return cls(
            client=Client(clock, Resolver(clock)),
            tokens=Tokens(clock, store, masker, jitter),
            store=store,
            metrics=metrics,
            clock=clock,
            log=log,
            masker=masker,
            jitter=jitter,
            answers=AnswerCache(store, clock),
            single_flight=SingleFlight(clock),
            renewal_slots=threading.Semaphore(MAX_RENEWALS),
            records=CallRecords(store, clock, masker, log.warning),
            stats=ServiceStats(store, clock),
            limits=FallbackStore(store, clock),
            verdicts=HealthVerdicts(),
            circuits=PerService(partial(make_circuit, place="base_url")),
            backup_circuits=PerService(partial(make_circuit, place="backup_url")),
            retry_budgets=PerService(lambda _: RetryBudget(clock)),
        )

    def retain(self, services: Container[str]) -> None:
        """Forget what was kept for services that are gone."""
        for items in (self.circuits, self.backup_circuits, self.retry_budgets):
            items.retain(services)
