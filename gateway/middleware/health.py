"""Health probes, by one worker of each host; calls to a service that is down are refused."""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from gateway.catalog.model import Catalog, Health, Method, Service, Timeout
from gateway.errors import GatewayError, OutOfResources, StoreUnavailable, Unhealthy
from gateway.http.request_builder import USER_AGENT
from gateway.http_messages import HttpRequest
from gateway.messages import Call, Result
from gateway.runtime import Handler, Runtime
from gateway.state.health_verdicts import ProbeHistory

POLL_SECONDS = 0.5  # from look to look at most
LEASE_SECONDS = 10.0  # one worker probes that long for all of its host; halfway it takes a new one
MAX_PROBE_SECONDS = 2.0  # a probe waits that long for its answer, if the interval is not shorter
MAX_CONCURRENT_PROBES = 32
JITTER_SHARE = 0.1  # of the interval, more or less, so that probes do not come in step
HEADERS = {"User-Agent": USER_AGENT, "Accept": "*/*"}


def health(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Refuse calls while the probes say ``down``; only for services that are probed.

    :raises Unhealthy: they do.
    """
    policy = method.service.health
    if policy is None:
        return next_handler
    interval = policy.interval
    service = method.service.name
    verdicts = runtime.verdicts
    now = runtime.clock.now

    def handle(call: Call) -> Result:
        if not call.backup and verdicts.of(service) == "down":
            call.trace.note(now(), "probe", "the probes say down")
            raise Unhealthy(retry_after=interval)
        return next_handler(call)

    return handle


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """A service's probes so far, and when (Unix seconds) the next one is due."""

    history: ProbeHistory
    due: float


_NEW = ProbeRecord(ProbeHistory(), 0.0)


class Probes:
    """Runs in one thread of each worker.

    :param catalog: gives the one in use.
    """

    def __init__(self, runtime: Runtime, catalog: Callable[[], Catalog]) -> None:
        self._runtime = runtime
        self._catalog = catalog
        self._key = f"probes:{platform.node()}"
        self._records: dict[str, ProbeRecord] = {}
        self._under_way: dict[str, Future[str | None]] = {}
        self._pool = ThreadPoolExecutor(MAX_CONCURRENT_PROBES, "probe")
        self._fence: int | None = None
        self._renew_at = 0.0
        self._wake = threading.Event()
        self.interrupt = self._wake.set  # ends the wait between two looks

    def run(self, stopping: threading.Event) -> None:
        """Look until told to stop; then another worker may probe at once."""
        seconds = POLL_SECONDS
        while True:
            self._wake.wait(seconds)
            self._wake.clear()
            if stopping.is_set():
                break
            try:
                seconds = self.look()
            except Exception as error:  # noqa: BLE001  # or the last verdict would stand for ever
                self._runtime.log.warning("probes", why=f"{type(error).__name__}: {error}")
                seconds = POLL_SECONDS
        self.close()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._fence is not None:
            self._runtime.store.release(self._key, self._fence)

    def look(self) -> float:
        """Take note of what is known; probe what is due, if that is this worker's part now.

        :returns: seconds until the next look is due.
        """
        services = {
            _record_key(service): service
            for service in self._catalog().services.values()
            if service.health
        }
        seconds = POLL_SECONDS
        if services:
            if self._leads():
                self._probe(services)
                seconds = self._seconds_to_next()
            else:
                self._under_way.clear()
        self._runtime.verdicts.replace(
            {
                service.name: self._records[key].history.verdict
                for key, service in services.items()
                if key in self._records
            }
        )
        return seconds

    def _seconds_to_next(self) -> float:
        """Return seconds until a probe is due; those under way tell of their end themselves."""
        now = self._runtime.clock.wall()
        waits = [
            record.due - now for key, record in self._records.items() if key not in self._under_way
        ]
        return max(0.0, min([POLL_SECONDS, *waits]))

    def _leads(self) -> bool:
        """Return whether this worker probes for the host now; read the records when it begins."""
        store = self._runtime.store
        now = self._runtime.clock.now()
        if self._fence is not None and now < self._renew_at:
            return True
        try:
            if self._fence is not None:
                store.release(self._key, self._fence)
            self._fence = store.acquire(self._key, LEASE_SECONDS)
            self._renew_at = now + LEASE_SECONDS / 2
            value = store.get(self._key)
        except StoreUnavailable:
            self._fence = None
            return True
        # Records that nobody has written yet are those of this worker.
        if value or self._fence is None:
            self._records = {
                key: ProbeRecord(ProbeHistory(verdict, streak), due)
                for key, (verdict, streak, due) in json.loads(value or b"{}").items()
            }
        return self._fence is not None

    def _probe(self, services: Mapping[str, Service]) -> None:
        records = {key: self._records.get(key, _NEW) for key in services}
        self._collect(services, records)
        self._begin(services, records)
        changed = records != self._records
        self._records = records
        if changed:
            self._write(max(_policy(service).interval for service in services.values()))

    def _collect(self, services: Mapping[str, Service], records: dict[str, ProbeRecord]) -> None:
        """Add to the records what the probes that have ended came to."""
        for key in [key for key, probe in self._under_way.items() if probe.done()]:
            probe = self._under_way.pop(key)
            if isinstance(probe.exception(), OutOfResources):
                continue  # that says nothing about the service
            if key in services:
                record = records[key]
                history = self._judge(services[key], record.history, probe.result())
                records[key] = ProbeRecord(history, record.due)

    def _begin(self, services: Mapping[str, Service], records: dict[str, ProbeRecord]) -> None:
        """Begin the probes that are due."""
        now = self._runtime.clock.wall()
        for key, service in services.items():
            record = records[key]
            # A time further off than any pause was set by a clock that has been put back since.
            if key in self._under_way or now < record.due <= now + self._pause(service, 1.0):
                continue
            due = now + self._pause(service, self._runtime.jitter())
            records[key] = ProbeRecord(record.history, due)
            self._under_way[key] = self._pool.submit(self._send_probe, service)
            self._under_way[key].add_done_callback(lambda _: self.interrupt())

    def _write(self, interval: float) -> None:
        """Write the records for the others, and for whoever probes next."""
        if self._fence is None:
            return
        data = {
            key: (record.history.verdict, record.history.streak, record.due)
            for key, record in self._records.items()
        }
        ttl = 2 * interval + LEASE_SECONDS
        with suppress(StoreUnavailable):
            if not self._runtime.store.set_fenced(
                self._key, json.dumps(data).encode(), ttl, self._fence
            ):
                self._fence = None

    def _judge(self, service: Service, history: ProbeHistory, problem: str | None) -> ProbeHistory:
        healthy = problem is None
        self._runtime.metrics.probes.labels(service.name, "ok" if healthy else "failed").inc()
        after = history.after(healthy, _policy(service))
        if after.verdict != history.verdict:
            why = self._runtime.masker.mask_text(problem or "answered")
            write = self._runtime.log.info
            if after.verdict == "down":
                write = self._runtime.log.warning
            write("health", service=service.name, verdict=after.verdict, why=why)
        return after

    def _pause(self, service: Service, jitter: float) -> float:
        """Return the seconds from one probe to the next."""
        return _policy(service).interval * (1 - JITTER_SHARE + 2 * JITTER_SHARE * jitter)

    def _send_probe(self, service: Service) -> str | None:
        """Return why the service is not well; None where one of its base URLs answers with a 2xx.

        :raises OutOfResources: it could not be asked.
        """
        policy = _policy(service)
        seconds = min(MAX_PROBE_SECONDS, policy.interval)
        channel = self._runtime.client.channel(service)
        problem = None
        for url in service.base_urls:
            request = HttpRequest("GET", url, policy.path, headers=HEADERS)
            deadline = self._runtime.clock.now() + seconds
            try:
                response = channel.send(request, Timeout(seconds, seconds), deadline)
            except OutOfResources:
                raise
            except GatewayError as error:
                problem = f"{error.type}: {error.detail or error.message}"
                continue
            if 200 <= response.status < 300:
                return None
            problem = f"HTTP {response.status}"
        return problem


def _record_key(service: Service) -> str:
    """A service that is asked elsewhere from now on begins anew."""
    return " ".join((service.name, _policy(service).path, *service.base_urls))


def _policy(service: Service) -> Health:
    assert service.health
    return service.health
