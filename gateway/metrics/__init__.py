"""What is counted, in Prometheus' words and units: counters, seconds in histograms, and gauges read when asked.

A process keeps its own numbers. Several workers keep them in files of one folder, each under a slot that its successor
takes over, so that any of them can tell the sum and none is lost with a worker (``share``).

Names and labels follow https://prometheus.io/docs/practices/naming/. Every label has few values: services and methods
are the catalog's, codes and sources Postern's own, routes the application's.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from gateway.metrics.files import MetricFiles

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each counter, which nobody asks for
CountCall = Callable[[int, str, float, float], None]


@cache
def shared_folder() -> str:
    """A new one for this server: it is the same after a SIGHUP, and another one's after a new start."""
    return tempfile.mkdtemp(prefix="postern-metrics-")


def share(folder: str, slot: int, warn: Callable[..., Any]) -> None:
    """Count in files of this folder from now on; to be said before there are ``Metrics``.

    :param slot: no other living process has it.
    :param warn: as the log's ``warning``; told once when the files have no space, and once when they have.
    """
    os.environ[FOLDER] = folder  # prometheus_client knows no other way
    MetricFiles(warn).install()
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def bury(folder: str, slot: int) -> None:
    """The process of this slot is gone; what it was doing is no longer being done. What it counted stays."""
    mark_process_dead(slot, folder)  # type: ignore[no-untyped-call]


class Metrics:
    """One for each application. Safe under threads and greenlets."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        seconds = partial(Histogram, registry=self.registry, buckets=BUCKETS)
        named = ("service", "method")
        self._requests = counter(
            "postern_http_requests", "Requests answered.", ("route", "method", "status")
        )
        self._request_seconds = seconds(
            "postern_http_request_duration_seconds", "From request to answer.", ("route",)
        )
        self._calls = counter(
            "postern_calls",
            "Calls ended, by code and by whose fault it was.",
            (*named, "code", "source"),
        )
        self._call_seconds = seconds(
            "postern_call_duration_seconds", "A call with all its attempts and waits.", named
        )
        self._downstream_seconds = seconds(
            "postern_call_downstream_duration_seconds", "What a call spent in attempts.", named
        )
        self.first_byte = seconds(
            "postern_first_byte_duration_seconds",
            "From a request to its answer's first byte.",
            named,
        )
        self.attempts = counter(
            "postern_attempts", "Requests to services, as they ended.", (*named, "code")
        )
        self.retries = counter(
            "postern_retries", "Attempts made again, by why.", ("service", "reason")
        )
        self.fallbacks = counter(
            "postern_fallbacks", "Calls that something else answered.", (*named, "by")
        )
        self.breaker_transitions = counter(
            "postern_breaker_transitions",
            "What breakers changed to, in each worker.",
            ("service", "at", "state"),
        )
        self.limit_hits = counter(
            "postern_limit_hits", "Refusals: caller, quota, concurrency.", ("service", "limit")
        )
        self.concurrency = Gauge(
            "postern_concurrency_in_use",
            "Attempts under way, of services with a cap.",
            ("service",),
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.cache = counter(
            "postern_cache_answers", "hit, miss, stale, collapsed.", (*named, "outcome")
        )
        self.token_renewals = counter(
            "postern_token_renewals", "Credentials fetched.", ("service", "outcome")
        )
        self.probes = counter(
            "postern_probes", "Health checks, by how they ended.", ("service", "outcome")
        )
        self._reloads = counter(
            "postern_catalog_reloads", "Catalogs taken or refused, in each worker.", ("outcome",)
        )
        self.count_request = cache(self._request)  # routes, verbs and statuses are few

    def call(self, service: str, method: str) -> CountCall:
        """What counts a method's calls: by code, source, seconds in all, seconds downstream. Made at its first."""
        by_code: dict[tuple[int, str], Callable[[], None]] = {}
        observers: list[Callable[[float], None]] = []

        def count(code: int, source: str, elapsed: float, downstream: float) -> None:
            increment = by_code.get((code, source))
            if increment is None:
                increment = by_code[code, source] = self._calls.labels(
                    service, method, str(code), source
                ).inc
            if not observers:
                each = [self._call_seconds, self._downstream_seconds]
                observers[:] = [histogram.labels(service, method).observe for histogram in each]
            increment()
            observers[0](elapsed)
            if downstream:
                observers[1](downstream)

        return count

    def count_reload(self, outcome: str) -> None:
        """``taken`` or ``refused``."""
        self._reloads.labels(outcome).inc()

    def _request(self, route: str, verb: str, status: int) -> Callable[[float], None]:
        """Counts one request of so many seconds."""
        increment = self._requests.labels(route, verb, str(status)).inc
        observe = self._request_seconds.labels(route).observe

        def count(elapsed: float) -> None:
            increment()
            observe(elapsed)

        return count

    def text(self, states: Iterable[Metric]) -> bytes:
        """All of it, over all workers, in Prometheus' text format.

        :param states: what is read off things now rather than counted.
        """
        registry = self.registry
        if folder := os.environ.get(FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(_States(states))


class _States(Collector):
    def __init__(self, states: Iterable[Metric]) -> None:
        self._states = states

    def collect(self) -> Iterable[Metric]:
        return self._states
