"""The gateway: a catalog's methods, each with its chain, behind one ``call``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import cast, get_args

from prometheus_client.core import GaugeMetricFamily, Metric

from gateway.batch import Outcome, Together, part_call, step_of, steps_of
from gateway.catalog.aggregates import AggregatePart, Given
from gateway.catalog.loader import PROXY, SAFE_VERBS
from gateway.catalog.model import Catalog, Method, Service
from gateway.chain import build_chains
from gateway.clock import Background
from gateway.errors import GatewayError, InvalidParams, NotFound, fields_error
from gateway.exchange import dry_run
from gateway.http.headers import has_dot_segments, path_allowed
from gateway.messages import Call, HttpRequest, Result
from gateway.metrics import Metrics
from gateway.middleware.admission import authorize, authorize_and_validate
from gateway.middleware.circuit_breaker import breaker_states
from gateway.middleware.health import Probes
from gateway.middleware.observe import error_context
from gateway.runtime import Handler, Runtime
from gateway.signers.tokens import token_name
from gateway.sources.watcher import CatalogState, Watcher
from gateway.state.circuit import State
from gateway.streams import ResponseStream
from gateway.telemetry.call_records import CallRecords
from gateway.telemetry.service_stats import Services


@dataclass(frozen=True)
class _Loaded:
    """A catalog with its chains; swapped whole."""

    catalog: Catalog
    handlers: dict[tuple[str, str], tuple[Method, Handler]]


class Gateway:
    """Calls outside services by name.

    Safe under threads and greenlets; one per process.

    :param runtime: what its chains share, now and over reloads.
    """

    def __init__(self, catalog: Catalog, runtime: Runtime) -> None:
        self._runtime = runtime
        self._background = Background()
        self._together = Together(runtime.clock, runtime.log)
        self._watcher: Watcher | None = None
        self.swap(catalog)

    @property
    def catalog(self) -> Catalog:
        return self._loaded.catalog

    @property
    def metrics(self) -> Metrics:
        return self._runtime.metrics

    @property
    def records(self) -> CallRecords:
        """What happened to recent calls."""
        return self._runtime.records

    @property
    def catalog_state(self) -> CatalogState:
        """Which catalog serves, and what came of later ones."""
        return self._watcher.state if self._watcher else CatalogState()

    def follow(self, watcher: Watcher) -> None:
        """From ``start`` on, take the catalogs that it brings."""
        self._watcher = watcher

    def swap(self, catalog: Catalog) -> None:
        """Use another catalog from now on; calls in flight finish on the one they began with."""
        self._runtime.masker.renew(catalog.secrets)
        self._loaded = _Loaded(catalog, build_chains(catalog, self._runtime))
        self._runtime.client.retain(catalog.services.values())
        services = catalog.services.values()
        self._runtime.tokens.retain(
            {token_name(each.name, each.base_urls[0], each.auth) for each in services}
        )
        self._runtime.retain(catalog.services)

    def method(self, service: str, method: str) -> Method:
        """:raises NotFound: no such service or method."""
        return self._find(self._loaded, service, method)[0]

    def call(self, call: Call) -> Result:
        """Run one call through its method's chain.

        :raises GatewayError: every failure there is, with ``service`` and ``method`` filled in.
        """
        return self._run(self._loaded, self._begun(call))

    def proxy(self, call: Call) -> ResponseStream:
        """Send a request on as it is; ``call.inbound`` has it.

        :raises NotFound: there is no such service, or it does not let this path be proxied.
        :raises GatewayError: every failure but those that the service itself has put into words.
        """
        loaded, inbound = self._loaded, call.inbound
        assert inbound
        service = loaded.catalog.services.get(call.service)
        if has_dot_segments(inbound.path):
            raise fields_error("path", ["Must not climb."])
        if service is None or not path_allowed(inbound.path, service.proxy):
            raise NotFound(f"There is no {call.service[:64]}{inbound.path[:200]} to be proxied.")
        kind = "repeatable" if inbound.verb in SAFE_VERBS else "once"
        _, handler = loaded.handlers[service.name, f"{PROXY} {kind}"]

        try:
            return cast(ResponseStream, handler(self._begun(call)).data)
        except GatewayError as error:
            if isinstance(error.passthrough_response, ResponseStream):
                return error.passthrough_response
            error.unsafe_to_repeat = kind == "once" and any(
                not attempt.not_executed for attempt in call.trace.attempts
            )
            raise

    def call_together(
        self, calls: Mapping[str, Call], optional: Collection[str] = ()
    ) -> dict[str, Outcome]:
        """Run calls side by side, all on the same catalog; nothing is raised for one that fails.

        :param optional: the names of those whose failure does not count.
        """
        steps = {name: step_of(self._begun(call), name in optional) for name, call in calls.items()}
        return self._together.all(steps, partial(self._run, self._loaded))

    def aggregate(self, name: str, given: Given, like: Call) -> dict[str, Outcome]:
        """Run an aggregate's parts, each as soon as those it takes its parameters from have ended.

        :param given: the request's ``query``, as text, and ``body``, as JSON.
        :param like: what the parts' calls have in common: caller, request id, timeout.
        :raises NotFound: there is no such aggregate.
        :raises Forbidden: the caller may not call a part that is not optional; nothing is sent.
        :raises InvalidParams: ``fields`` by the request's own names; nothing is sent.
        """
        loaded = self._loaded
        aggregate = loaded.catalog.aggregates.get(name)
        if aggregate is None:
            raise NotFound(f"There is no aggregate {name[:64]}.")
        aggregate.check_names(given)
        like = self._begun(like)
        for part in aggregate.parts:
            if not part.optional:
                self._check_part(loaded, part, given, like)
        return self._together.all(steps_of(aggregate, given, like), partial(self._run, loaded))

    def dry_run(self, call: Call) -> HttpRequest:
        """The request that ``call`` would send first; nothing is sent, no token fetched.

        :raises GatewayError: as ``call`` does before it sends.
        """
        method, _ = self._find(self._loaded, call.service, call.method)
        with error_context(method):
            return dry_run(method, authorize_and_validate(method, call), self._runtime.clock)

    def breakers(self, services: Iterable[Service]) -> dict[str, str]:
        """``closed``, ``open`` or ``half_open``, by service."""
        return breaker_states(services, self._runtime)

    def health(self, service: Service) -> str:
        """``up`` or ``down``; ``unknown`` where nothing probes it, or has not yet."""
        return self._runtime.verdicts.of(service.name)

    def hour(self) -> dict[int, Services]:
        """How calls have ended, by how many minutes ago and by service, over all workers."""
        return self._runtime.stats.hour()

    def states(self) -> Iterator[Metric]:
        """What is read off things when somebody asks for the metrics: breakers, probes' verdicts, the catalog."""
        services, state = self.catalog.services.values(), self.catalog_state
        breakers = GaugeMetricFamily(
            "postern_breaker_state", "1 for the state it is in.", labels=("service", "state")
        )
        for name, now in self.breakers(services).items():
            for each in get_args(State):
                breakers.add_metric((name, each), float(each == now))
        up = GaugeMetricFamily(
            "postern_service_up",
            "1 while probes say up, 0 while they say down.",
            labels=("service",),
        )
        for service in services:
            if (verdict := self.health(service)) != "unknown":
                up.add_metric((service.name,), float(verdict == "up"))
        catalog = GaugeMetricFamily(
            "postern_catalog_info", "The catalog that serves.", labels=("version",)
        )
        catalog.add_metric((state.version,), 1)
        yield from (breakers, up, catalog)
        yield GaugeMetricFamily(
            "postern_catalog_ok", "0 while its source is away or wrong.", float(not state.error)
        )
        yield GaugeMetricFamily(
            "postern_catalog_taken_timestamp_seconds", "When it was taken.", state.taken_at
        )

    def start(self) -> None:
        """Begin what runs beside the calls. After the fork: threads do not survive one."""
        if self._watcher:
            follow = partial(
                self._watcher.run, swap=self.swap, count=self._runtime.metrics.count_reload
            )
            self._background.start("catalog", follow, self._watcher.source.close)
        probes = Probes(self._runtime, lambda: self.catalog)
        self._background.start("probes", probes.run, probes.interrupt)
        self._background.start("records", self.records.run)
        self._background.start("tally", self._runtime.stats.run)

    def close(self) -> None:
        """End what runs beside the calls, and close every connection."""
        self._background.stop()
        self._together.close()
        self.records.close()
        self._runtime.client.retain(())

    def _begun(self, call: Call) -> Call:
        """The caller's ``timeout`` counts from here, whatever the call waits for."""
        return (
            call
            if call.timeout is None
            else replace(call, deadline=self._runtime.clock.now() + call.timeout)
        )

    def _run(self, loaded: _Loaded, call: Call) -> Result:
        _, handler = self._find(loaded, call.service, call.method)
        return handler(call)

    def _check_part(self, loaded: _Loaded, part: AggregatePart, given: Given, like: Call) -> None:
        """What can be known of a part before anything is sent: whether it is allowed, and its params if it has all."""
        method, _ = self._find(loaded, part.service, part.method)
        try:
            with error_context(method):
                self._precheck(method, part, given, like)
        except InvalidParams as error:
            raise InvalidParams(fields=part.by_request_names(error.fields or {})) from error

    def _precheck(self, method: Method, part: AggregatePart, given: Given, like: Call) -> None:
        if part.needs:
            authorize(method, like.caller)
        else:
            authorize_and_validate(method, part_call(part, given, like))

    @staticmethod
    def _find(loaded: _Loaded, service: str, method: str) -> tuple[Method, Handler]:
        found = loaded.handlers.get((service, method))
        if found:
            return found
        what = (
            f"method {service}.{method}"
            if service in loaded.catalog.services
            else f"service {service}"
        )
        raise NotFound(f"There is no {what[:200]}.")
