"""What is counted, in Prometheus' words and units: counters, histograms of seconds, and gauges.

    metrics = Metrics()
    metrics.retries.labels("maps", "429").inc()

A process keeps its own numbers. Several workers keep them in files of one folder, each under a slot
that its successor takes over, so that any of them can add up all and none is lost with a worker
(``share``).

Names and labels follow https://prometheus.io/docs/practices/naming/. Every label has few values:
services and methods are the catalog's, codes and sources Postern's own, routes the application's.
"""

from __future__ import annotations

import os
import tempfile
from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    values,
)
from prometheus_client.multiprocess import mark_process_dead

from gateway.metrics.files import MetricFiles

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
BUCKET_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

CallCounter = Callable[[int, str, float, float], None]
AttemptCounter = Callable[[int, float | None], None]

# They would be a series more for each counter, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]


@cache
def shared_folder() -> str:
    """Return this server's folder: another after a new start, the same after a SIGHUP."""
    return tempfile.mkdtemp(prefix="postern-metrics-")


def share(folder: str, slot: int, warn: Callable[..., Any]) -> None:
    """Count in files of this folder from now on; to be called before there are ``Metrics``.

    :param slot: no other living process has it.
    :param warn: as the log's ``warning``; called when the files have no space, and when they have.
    """
    os.environ[FOLDER_VARIABLE] = folder  # prometheus_client knows no other way
    values.ValueClass = MetricFiles(folder, slot, warn).value


def end_process(folder: str, slot: int) -> None:
    """Forget what the process of this slot was doing, as it is gone. What it counted stays."""
    mark_process_dead(slot, folder)  # type: ignore[no-untyped-call]


class Metrics:
    """One for each application. Safe under threads and greenlets."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._declare_requests_and_calls()
        self._declare_parts()
        self.request_counter = cache(self._request_counter)  # routes, verbs and statuses are few

    def _declare_requests_and_calls(self) -> None:
        counter = self._counter
        seconds = self._seconds
        self._requests = counter(
            "postern_http_requests", "Requests answered.", "route", "method", "status"
        )
        self._request_seconds = seconds(
            "postern_http_request_duration_seconds", "From request to answer.", "route"
        )
        method = ("service", "method")
        self._calls = counter(
            "postern_calls",
            "Calls ended, by code and by whose fault it was.",
            *method,
            "code",
            "source",
        )
        self._call_seconds = seconds(
            "postern_call_duration_seconds", "A call with all its attempts and waits.", *method
        )
        self._downstream_seconds = seconds(
            "postern_call_downstream_duration_seconds", "What a call spent in attempts.", *method
        )
        self._first_byte_seconds = seconds(
            "postern_first_byte_duration_seconds",
            "From a request to its answer's first byte.",
            *method,
        )
        self._attempts = counter(
            "postern_attempts", "Requests to services, as they ended.", *method, "code"
        )
        self.fallbacks = counter(
            "postern_fallbacks", "Calls that something else answered.", *method, "by"
        )
        self.unexpected_answers = counter(
            "postern_unexpected_answers", "Answers not as check_returns has it.", *method
        )
        self._cache = counter(
            "postern_cache_answers", "hit, miss, stale, collapsed.", *method, "outcome"
        )

    def _declare_parts(self) -> None:
        """Declare what the gateway's parts count: retries, limits, tokens, probes, reloads."""
        counter = self._counter
        self.retries = counter(
            "postern_retries", "Attempts made again, by why.", "service", "reason"
        )
        self.breaker_transitions = counter(
            "postern_breaker_transitions",
            "What breakers changed to, in each worker.",
            "service",
            "at",
            "state",
        )
        self.limit_hits = counter(
            "postern_limit_hits", "Refusals: caller, quota, concurrency.", "service", "limit"
        )
        self.concurrency = Gauge(
            "postern_concurrency_in_use",
            "Attempts under way, of services with a cap.",
            ("service",),
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.token_renewals = counter(
            "postern_token_renewals", "Credentials fetched.", "service", "outcome"
        )
        self.probes = counter(
            "postern_probes", "Health checks, by how they ended.", "service", "outcome"
        )
        self._reloads = counter(
            "postern_catalog_reloads", "Catalogs taken or refused, in each worker.", "outcome"
        )

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, registry=self.registry)

    def _seconds(self, name: str, description: str, *labels: str) -> Histogram:
        return Histogram(name, description, labels, registry=self.registry, buckets=BUCKET_SECONDS)

    def call_counter(self, service: str, method: str) -> CallCounter:
        """Return what counts a method's calls, by code, source, seconds in all, seconds downstream.

        A method that was never called has no series.
        """
        labels = (service, method)

        @cache
        def counter(code: int, source: str, *, was_sent: bool) -> Callable[..., None]:
            histograms = [self._call_seconds.labels(*labels)]
            if was_sent:
                histograms.append(self._downstream_seconds.labels(*labels))
            return _count_in(self._calls.labels(*labels, str(code), source), *histograms)

        def count(code: int, source: str, elapsed: float, downstream: float) -> None:
            if downstream:
                counter(code, source, was_sent=True)(elapsed, downstream)
            else:
                counter(code, source, was_sent=False)(elapsed)

        return count

    def attempt_counter(self, service: str, method: str) -> AttemptCounter:
        """Return what counts a method's attempts, by code, seconds until an answer began."""
        labels = (service, method)

        @cache
        def counter(code: int, *, answered: bool) -> Callable[..., None]:
            histograms = [self._first_byte_seconds.labels(*labels)] if answered else []
            return _count_in(self._attempts.labels(*labels, str(code)), *histograms)

        def count(code: int, first_byte: float | None) -> None:
            if first_byte is None:
                counter(code, answered=False)()
            else:
                counter(code, answered=True)(first_byte)

        return count

    def cache_counter(self, service: str, method: str) -> Callable[[str], None]:
        """Return what counts a method's answers with a cache, by outcome."""

        @cache
        def counter(outcome: str) -> Callable[..., None]:
            return _count_in(self._cache.labels(service, method, outcome))

        return lambda outcome: counter(outcome)()

    def count_reload(self, outcome: str) -> None:
        """``taken`` or ``refused``."""
        self._reloads.labels(outcome).inc()

    def _request_counter(self, route: str, verb: str, status: int) -> Callable[[float], None]:
        """Return what counts one request of so many seconds."""
        counter = self._requests.labels(route, verb, str(status))
        return _count_in(counter, self._request_seconds.labels(route))


def _count_in(counter: Counter, *histograms: Histogram) -> Callable[..., None]:
    """Return what counts once in these series, called with the seconds for each histogram.

    prometheus_client's own ``observe`` compares them with one bound after the other.
    """
    value = counter._value
    # Of a series' bounds the last one is infinite.
    observed = [(series._sum, series._buckets, series._upper_bounds) for series in histograms]

    def count(*seconds: float) -> None:
        value.inc(1)
        for (total, buckets, bounds), elapsed in zip(observed, seconds, strict=True):
            total.inc(elapsed)
            buckets[bisect_left(bounds, elapsed)].inc(1)

    return count
