"""Gauges of what is so now, read when somebody asks for the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

BREAKER_STATES = ("closed", "open", "half_open")


def breaker_gauge(states: Mapping[str, str]) -> Metric:
    """:param states: by service."""
    gauge = GaugeMetricFamily(
        "postern_breaker_state", "1 for the state it is in.", labels=("service", "state")
    )
    for service, current in states.items():
        for state in BREAKER_STATES:
            gauge.add_metric((service, state), float(state == current))
    return gauge


def health_gauge(verdicts: Mapping[str, str]) -> Metric:
    """:param verdicts: by service; ``unknown`` has no series."""
    gauge = GaugeMetricFamily(
        "postern_service_up", "1 while probes say up, 0 while they say down.", labels=("service",)
    )
    for service, verdict in verdicts.items():
        if verdict != "unknown":
            gauge.add_metric((service,), float(verdict == "up"))
    return gauge


def instance_gauge(counts: Mapping[str, tuple[int, int] | None]) -> Metric:
    """:param counts: by service, those up and those left out; None where it names no registry."""
    gauge = GaugeMetricFamily(
        "postern_instances",
        "Those that a registry knows, by whether they serve or are left out.",
        labels=("service", "state"),
    )
    for service, count in counts.items():
        if count is not None:
            up_count, excluded_count = count
            gauge.add_metric((service, "up"), float(up_count))
            gauge.add_metric((service, "left_out"), float(excluded_count))
    return gauge


def catalog_gauges(version: str, *, ok: bool, loaded_at: float) -> Iterator[Metric]:
    """:param loaded_at: Unix seconds."""
    info = GaugeMetricFamily(
        "postern_catalog_info", "The catalog that serves.", labels=("version",)
    )
    info.add_metric((version,), 1)
    yield info
    yield GaugeMetricFamily("postern_catalog_ok", "0 while its source is away or wrong.", float(ok))
    yield GaugeMetricFamily(
        "postern_catalog_taken_timestamp_seconds", "When it was taken.", loaded_at
    )
