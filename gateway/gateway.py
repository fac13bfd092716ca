"""The gateway: a catalog's methods, each with its chain, behind one ``call``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial

from prometheus_client.core import Metric

from gateway.batch import BatchRunner, Outcome, aggregate_steps, build_part_call, independent_step
from gateway.catalog.aggregates import AggregatePart, RequestSources
from gateway.catalog.loader import PROXY, SAFE_VERBS
from gateway.catalog.model import Catalog, Method, Service
from gateway.chain import SERVICES_HINT, Chains
from gateway.clock import Background
from gateway.errors import Conflict, GatewayError, InvalidParams, NotFound, fields_error
from gateway.exchange.connected_account import Authorization
from gateway.exchange.dry_run import dry_run, dry_run_token
from gateway.http.discovered import InstanceCount
from gateway.http.paths import has_dot_segments, path_allowed
from gateway.http_messages import HttpRequest
from gateway.messages import Call, Caller, Result
from gateway.metrics import Metrics
from gateway.metrics.gauges import breaker_gauge, catalog_gauges, health_gauge, instance_gauge
from gateway.middleware.admission import authorize, authorize_and_validate
from gateway.middleware.circuit_breaker import breaker_states
from gateway.middleware.health import Probes
from gateway.middleware.observe import error_context
from gateway.runtime import Runtime
from gateway.signers.tokens.entry import token_name
from gateway.sources.watcher import CatalogState, Watcher
from gateway.streams import ResponseStream
from gateway.telemetry.call_records import CallRecords
from gateway.telemetry.service_stats import Services

MAX_NAME_CHARACTERS = 64  # of what a caller named, in a message
_PROXY_HINT = "GET /api/v1/services lists, as proxy, the paths of each service that may be."
MAX_PATH_CHARACTERS = 200


class Gateway:
    """Calls outside services by name. Safe under threads and greenlets; one per process.

    :param runtime: what its chains share, now and over reloads.
    :ivar streams: service and method, where the answer is a stream -> whether the body is one, too.
    """

    def __init__(self, catalog: Catalog, runtime: Runtime) -> None:
        self._runtime = runtime
        self.metrics: Metrics = runtime.metrics
        self._background = Background()
        self._batch_runner = BatchRunner(runtime.clock, runtime.log)
        self._watcher: Watcher | None = None
        self.swap(catalog)

    @property
    def catalog(self) -> Catalog:
        return self._chains.catalog

    @property
    def records(self) -> CallRecords:
        """What happened to recent calls."""
        return self._runtime.records

    @property
    def catalog_state(self) -> CatalogState:
        """Which catalog serves, and what came of later ones."""
        if self._watcher:
            return self._watcher.state
        return CatalogState()

    def follow(self, watcher: Watcher) -> None:
        """Take the catalogs that the watcher brings, from ``start`` on."""
        self._watcher = watcher

    def swap(self, catalog: Catalog) -> None:
        """Use another catalog from now on; calls in flight finish on the one they began with."""
        runtime = self._runtime
        runtime.masker.use_catalog_secrets(catalog.secrets)
        self._chains = Chains.build(catalog, runtime)
        services = catalog.services.values()
        self.streams: Mapping[tuple[str, str], bool] = {
            (service.name, method.name): method.streams_body
            for service in services
            for method in service.methods.values()
            if method.stream
        }
        runtime.client.retain(services)
        runtime.tokens.retain(
            {token_name(service.name, service.base_urls[0], service.auth) for service in services}
        )
        runtime.retain(catalog.services)

    def method(self, service: str, method: str, caller: Caller | None = None) -> Method:
        """
        :param caller: hears of a near name only where it may call what is named so.
        :raises NotFound: no such service or method.
        """
        return self._chains.find(service, method, caller)[0]

    def call(self, call: Call) -> Result:
        """Run one call through its method's chain.

        :raises GatewayError: every failure there is, with ``service`` and ``method`` filled in.
        """
        _, handler = self._chains.find(call.service, call.method, call.caller)
        if call.timeout is not None:
            call = self._with_deadline(call)
        return handler(call)

    def proxy(self, call: Call) -> ResponseStream:
        """Send a request on as it is; ``call.inbound`` has it.

        :raises NotFound: there is no such service, or it does not let this path be proxied.
        :raises GatewayError: every failure but those that the service itself has put into words.
        """
        chains = self._chains
        inbound = call.inbound
        assert inbound
        if has_dot_segments(inbound.path):
            raise fields_error("path", ["Must not climb."])
        service = chains.catalog.services.get(call.service)
        if service is None or not path_allowed(inbound.path, service.proxy):
            raise _not_proxied(call, inbound.path, chains.catalog.services)
        repeatable = inbound.verb in SAFE_VERBS
        kind = "repeatable" if repeatable else "once"
        _, handler = chains.handlers[service.name, f"{PROXY} {kind}"]

        try:
            data = handler(self._with_deadline(call)).data
            assert isinstance(data, ResponseStream)
            return data
        except GatewayError as error:
            if isinstance(error.passthrough_response, ResponseStream):
                return error.passthrough_response
            attempts = call.trace.attempts
            error.unsafe_to_repeat = not repeatable and not all(
                attempt.not_executed for attempt in attempts
            )
            raise

    def call_batch(
        self, calls: Mapping[str, Call], optional: Collection[str] = ()
    ) -> dict[str, Outcome]:
        """Run calls side by side, all on the same catalog; nothing is raised for one that fails.

        :param optional: the names of those whose failure does not count.
        """
        steps = {
            name: independent_step(self._with_deadline(call), optional=name in optional)
            for name, call in calls.items()
        }
        return self._batch_runner.run(steps, self._chains.run)

    def aggregate(
        self, name: str, request_data: RequestSources, template: Call
    ) -> dict[str, Outcome]:
        """Run an aggregate's parts, each as soon as the parts it takes its parameters from ended.

        :param request_data: the request's ``query``, as text, and ``body``, as JSON.
        :param template: what the parts' calls have in common: caller, request id, timeout.
        :raises NotFound: there is no such aggregate.
        :raises Forbidden: the caller may not call a part that is not optional; nothing is sent.
        :raises InvalidParams: ``fields`` by the request's own names; nothing is sent.
        """
        chains = self._chains
        aggregate = chains.catalog.aggregates.get(name)
        if aggregate is None:
            message = (
                f"There is no aggregate {name[:MAX_NAME_CHARACTERS]}; /docs lists those that are."
            )
            raise NotFound.among(message, name, chains.catalog.aggregates)
        aggregate.check_request(request_data)
        template = self._with_deadline(template)
        for part in aggregate.parts:
            if not part.optional:
                _check_part(chains, part, request_data, template)
        return self._batch_runner.run(
            aggregate_steps(aggregate, request_data, template), chains.run
        )

    def dry_run(self, call: Call) -> HttpRequest:
        """Return the request that ``call`` would send first; nothing is sent, no token fetched.

        :raises GatewayError: as ``call`` does before it sends.
        """
        method = self.method(call.service, call.method, call.caller)
        with error_context(method):
            return dry_run(method, authorize_and_validate(method, call), self._runtime)

    def dry_run_token(self, call: Call) -> HttpRequest | None:
        """Return the request for a token that would go before ``call``; None where none is fetched.

        :raises NotFound: there is no such method.
        """
        method = self.method(call.service, call.method, call.caller)
        with error_context(method):
            return dry_run_token(method, authorize_and_validate(method, call), self._runtime.clock)

    def authorization(self, service: str) -> Authorization:
        """Return how an admin connects the service's account.

        :raises NotFound: there is no such service.
        :raises Conflict: its ``auth`` is another one.
        """
        services = self.catalog.services
        if service not in services:
            message = f"There is no service {service[:MAX_NAME_CHARACTERS]}. {SERVICES_HINT}"
            raise NotFound.among(message, service, services)
        auth = services[service].auth
        if auth["type"] != "oauth2" or auth.get("grant") != "authorization_code":
            raise Conflict(
                "This service is not connected by an admin: its auth is not oauth2 with"
                " grant: authorization_code. There is nothing to be done."
            )
        return Authorization(services[service], self._runtime)

    def breakers(self, services: Iterable[Service]) -> dict[str, str]:
        """Return ``closed``, ``open`` or ``half_open``, by service."""
        return breaker_states(services, self._runtime)

    def health(self, service: Service) -> str:
        """Return ``up`` or ``down``; ``unknown`` where nothing probes it, or has not yet."""
        return self._runtime.verdicts.of(service.name)

    def instances(self, service: Service) -> InstanceCount | None:
        """Return how many instances a registry knows; None for a service that names none."""
        return self._runtime.client.instances(service)

    def hour(self) -> dict[int, Services]:
        """Return how calls ended, by how many minutes ago and by service, over all workers."""
        return self._runtime.stats.hour()

    def states(self) -> Iterator[Metric]:
        """Yield the metrics that are read when asked for: breakers, health, the catalog."""
        services = self.catalog.services.values()
        yield breaker_gauge(self.breakers(services))
        yield health_gauge({service.name: self.health(service) for service in services})
        yield instance_gauge({service.name: self.instances(service) for service in services})
        state = self.catalog_state
        yield from catalog_gauges(state.version, ok=not state.error, loaded_at=state.loaded_at)

    def start(self) -> None:
        """Begin what runs beside the calls. After the fork: threads do not survive one."""
        runtime = self._runtime
        runtime.client.start()
        if self._watcher:
            follow = partial(self._watcher.run, swap=self.swap, count=runtime.metrics.count_reload)
            self._background.start("catalog", follow, self._watcher.source.close)
        probes = Probes(runtime, lambda: self.catalog)
        self._background.start("probes", probes.run, probes.interrupt)
        self._background.start("records", runtime.records.run)
        self._background.start("tally", runtime.stats.run)

    def close(self) -> None:
        """End what runs beside the calls, and close every connection."""
        self._background.stop()
        self._batch_runner.close()
        self.records.close()
        self._runtime.client.retain(())

    def _with_deadline(self, call: Call) -> Call:
        """Let the caller's ``timeout`` count from here, whatever the call waits for."""
        if call.timeout is None:
            return call
        return call.copy_with(call.params, self._runtime.clock.now() + call.timeout)


def _not_proxied(call: Call, path: str, services: Mapping[str, Service]) -> NotFound:
    """Return the refusal, with a near service that the caller may reach by the proxy."""
    name = call.service[:MAX_NAME_CHARACTERS] + path[:MAX_PATH_CHARACTERS]
    message = f"There is no {name} to be proxied. {_PROXY_HINT}"
    if call.service in services:
        return NotFound(message)
    names = [
        service.name
        for service in services.values()
        if service.proxy and call.caller.may_call(service.name, PROXY, service.roles)
    ]
    return NotFound.among(message, call.service, names)


def _check_part(
    chains: Chains, part: AggregatePart, request_data: RequestSources, template: Call
) -> None:
    """Check before anything is sent whether a part is allowed; and its params, if it has all."""
    method, _ = chains.find(part.service, part.method, template.caller)
    try:
        with error_context(method):
            if part.needs:
                authorize(method, template.caller)
            else:
                authorize_and_validate(method, build_part_call(part, request_data, template))
    except InvalidParams as error:
        raise InvalidParams(fields=part.name_request_fields(error.fields or {})) from error
