"""Refuse at once what a service that is down would have to refuse."""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from gateway.catalog.model import Catalog, Health, Method, Service, Timeout
from gateway.errors import GatewayError, OutOfResources, StoreAway, Unhealthy
from gateway.http.request_builder import USER_AGENT
from gateway.messages import Call, HttpRequest, Result
from gateway.runtime import Handler, Runtime

# health: From single answers to a verdict that does not flap.


@dataclass(frozen=True, slots=True)
class Standing:
    """What a service's probes have come to.

    :param verdict: ``up``, ``down`` or ``unknown``.
    :param run: how many of the last answers were alike: above 0 healthy ones, below 0 others.
    """

    verdict: str = "unknown"
    run: int = 0

    def after(self, healthy: bool, policy: Health) -> Standing:
        """One answer more. The first healthy one ends ``unknown``: nothing speaks against it."""
        run = max(self.run, 0) + 1 if healthy else min(self.run, 0) - 1
        if run >= policy.healthy_after or (healthy and self.verdict == "unknown"):
            return Standing("up", run)
        return Standing("down" if -run >= policy.unhealthy_after else self.verdict, run)


# probes: Asks services whether they are well, before calls have to find out: one prober for each host, heard by all
# workers.

TICK = 0.5  # seconds from look to look at most
LEASE = 10.0  # seconds that one worker probes for all of its host; halfway it takes a new one
LONGEST = 2.0  # seconds a probe waits for its answer, if the interval is not shorter
AT_ONCE = 32  # probes under way
SPREAD = 0.1  # of the interval, more or less, so that probes do not come in step
HEADERS = {"User-Agent": USER_AGENT, "Accept": "*/*"}


@dataclass(frozen=True, slots=True)
class Record:
    """A standing, and when (Unix seconds) the next probe is due."""

    standing: Standing
    due: float


_NEW = Record(Standing(), 0.0)


class Verdicts:
    """What this worker knows, by service; replaced whole."""

    def __init__(self) -> None:
        self.known: Mapping[str, str] = {}

    def of(self, service: str) -> str:
        """``up``, ``down`` or ``unknown``."""
        return self.known.get(service, "unknown")


def verdicts_of(runtime: Runtime) -> Verdicts:
    return runtime.keep("verdicts", Verdicts)


class Probes:
    """Runs in one thread of each worker.

    :param catalog: gives the one in use.
    """

    def __init__(self, runtime: Runtime, catalog: Callable[[], Catalog]) -> None:
        self._runtime, self._catalog = runtime, catalog
        self._key = f"probes:{platform.node()}"
        self._verdicts = verdicts_of(runtime)
        self._records: dict[str, Record] = {}
        self._asked: dict[str, Future[str | None]] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, "probe")
        self._fence: int | None = None
        self._renew_at = 0.0
        self._wake = threading.Event()
        self.interrupt = self._wake.set  # ends the wait between two looks

    def run(self, stopping: threading.Event) -> None:
        """Look until told to stop; then another worker may probe at once."""
        rest = TICK
        while True:
            self._wake.wait(rest)
            self._wake.clear()
            if stopping.is_set():
                break
            try:
                rest = self.look()
            except Exception as error:  # noqa: BLE001  # or one bad look would leave the last verdict standing for ever
                self._runtime.log.warning("probes", why=f"{type(error).__name__}: {error}")
                rest = TICK
        self.close()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._fence is not None:
            with suppress(StoreAway):
                self._runtime.store.release(self._key, self._fence)

    def look(self) -> float:
        """Take note of what is known; probe what is due, if that is this worker's part now.

        :returns: seconds until the next look is due.
        """
        rest = TICK
        probed = {
            _key(service): service
            for service in self._catalog().services.values()
            if service.health
        }
        if probed:
            if self._leads():
                self._probe(probed)
                rest = self._rest()
            else:
                self._asked.clear()
        known = {key: self._records[key].standing.verdict for key in probed if key in self._records}
        self._verdicts.known = {probed[key].name: verdict for key, verdict in known.items()}
        return rest

    def _rest(self) -> float:
        """Seconds until the first probe is due; those that are under way tell of their end themselves."""
        now = self._runtime.clock.wall()
        waits = [
            record.due - now for key, record in self._records.items() if key not in self._asked
        ]
        return max(0.0, min([TICK, *waits]))

    def _leads(self) -> bool:
        """Whether this worker probes for the host now; the records are the newest ones then, or as read."""
        store, now = self._runtime.store, self._runtime.clock.now()
        if self._fence is not None and now < self._renew_at:
            return True
        try:
            if self._fence is not None:
                store.release(self._key, self._fence)
            self._fence, self._renew_at = store.acquire(self._key, LEASE), now + LEASE / 2
            written = store.get(self._key)
        except StoreAway:
            self._fence = None
            return True
        if written or self._fence is None:
            plain = json.loads(written or b"{}")
            self._records = {
                key: Record(Standing(verdict, run), due)
                for key, (verdict, run, due) in plain.items()
            }
        return self._fence is not None

    def _probe(self, probed: Mapping[str, Service]) -> None:
        before, now = self._records, self._runtime.clock.wall()
        records = {key: before.get(key, _NEW) for key in probed}
        for key in [key for key, asked in self._asked.items() if asked.done()]:
            answer = self._asked.pop(key)
            if isinstance(answer.exception(), OutOfResources):
                continue  # that says nothing about the service
            why = answer.result()
            if key in probed:
                records[key] = Record(
                    self._judged(probed[key], records[key].standing, why), records[key].due
                )
        for key, service in probed.items():
            if key not in self._asked and not now < records[key].due <= now + self._pause(
                service, 1.0
            ):
                records[key] = Record(
                    records[key].standing, now + self._pause(service, self._runtime.jitter())
                )
                self._asked[key] = self._pool.submit(self._ask, service)
                self._asked[key].add_done_callback(lambda _: self.interrupt())
        self._records = records
        if records != before:
            self._write(max(_health(service).interval for service in probed.values()))

    def _write(self, interval: float) -> None:
        """For the others, and for whoever probes next."""
        if self._fence is None:
            return
        plain = {
            key: (each.standing.verdict, each.standing.run, each.due)
            for key, each in self._records.items()
        }
        with suppress(StoreAway):
            keep = 2 * interval + LEASE
            if not self._runtime.store.set_fenced(
                self._key, json.dumps(plain).encode(), keep, self._fence
            ):
                self._fence = None

    def _judged(self, service: Service, standing: Standing, why: str | None) -> Standing:
        self._runtime.metrics.probes.labels(service.name, "ok" if why is None else "failed").inc()
        after = standing.after(why is None, _health(service))
        if after.verdict != standing.verdict:
            said = self._runtime.masker.text(why or "answered")
            log = self._runtime.log.warning if after.verdict == "down" else self._runtime.log.info
            log("health", service=service.name, verdict=after.verdict, why=said)
        return after

    def _pause(self, service: Service, jitter: float) -> float:
        """Seconds from one probe to the next."""
        return _health(service).interval * (1 - SPREAD + 2 * SPREAD * jitter)

    def _ask(self, service: Service) -> str | None:
        """Why the service is not well; None where one of its base URLs answers with a 2xx in time.

        :raises OutOfResources: it could not be asked.
        """
        health, why = _health(service), None
        seconds = min(LONGEST, health.interval)
        channel = self._runtime.client.channel(service)
        for url in service.base_urls:
            deadline = self._runtime.clock.now() + seconds
            try:
                answer = channel.send(
                    HttpRequest("GET", url, health.path, headers=HEADERS),
                    Timeout(seconds, seconds),
                    deadline,
                )
            except OutOfResources:
                raise
            except GatewayError as error:
                why = f"{error.type}: {error.detail or error.text}"
                continue
            if 200 <= answer.status < 300:
                return None
            why = f"HTTP {answer.status}"
        return why


def _key(service: Service) -> str:
    """A service that is asked elsewhere from now on begins anew."""
    return " ".join((service.name, _health(service).path, *service.base_urls))


def _health(service: Service) -> Health:
    assert service.health
    return service.health


# health: Refuse at once what a service that is down would have to refuse.


def health(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """``Unhealthy`` while the probes say ``down``; only for services that are probed."""
    policy, service, verdicts = method.service.health, method.service.name, verdicts_of(runtime)
    if policy is None:
        return next_handler
    interval, now = policy.interval, runtime.clock.now

    def handle(call: Call) -> Result:
        if not call.backup and verdicts.of(service) == "down":
            call.trace.note(now(), "probe", "the probes say down")
            raise Unhealthy(retry_after=interval)
        return next_handler(call)

    return handle
