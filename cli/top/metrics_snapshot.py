"""What two snapshots of ``/metrics`` say of each service's calls.

>>> compare(parse_metrics(first_text), parse_metrics(second_text), seconds=10)[0]
ServiceRates(service="wechat", rate=12.1, p50=0.018, p99=0.24, ...)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.latency import find_quantile

BREAKER_METRIC = "postern_breaker_state"
HEALTH_METRIC = "postern_service_up"
CALLS_METRIC = "postern_calls_total"
DURATION_METRIC = "postern_call_duration_seconds_bucket"
REJECTED_CODE = "-1006"  # the service understood and refused: an answer, not a failure
FAILURE_SOURCES = ("gateway", "downstream")


@dataclass
class ServiceSnapshot:
    """One service at one moment; counts since the server's start.

    :ivar buckets: calls that took at most so many seconds.
    """

    calls: float = 0
    failures: float = 0
    buckets: dict[float, float] = field(default_factory=lambda: defaultdict(float))
    breaker: str = "closed"
    health: str = "unknown"


@dataclass(frozen=True)
class ServiceRates:
    """One service between two moments. Times in seconds; None where there were no calls.

    :ivar failed: the share of calls that failed by the gateway's or the service's fault.
    """

    service: str
    rate: float
    p50: float | None
    p99: float | None
    failed: float | None
    breaker: str
    health: str


def parse_metrics(text: str) -> dict[str, ServiceSnapshot]:
    """Read the text of ``/metrics``; return services by name.

    :raises ValueError: it is something else.
    """
    snapshots: dict[str, ServiceSnapshot] = defaultdict(ServiceSnapshot)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if "service" in sample.labels:
                snapshot = snapshots[sample.labels["service"]]
                _add_sample(snapshot, sample.name, sample.labels, sample.value)
    return dict(snapshots)


def _add_sample(
    snapshot: ServiceSnapshot, name: str, labels: Mapping[str, str], value: float
) -> None:
    if name == CALLS_METRIC:
        snapshot.calls += value
        if labels["source"] in FAILURE_SOURCES and labels["code"] != REJECTED_CODE:
            snapshot.failures += value
    elif name == DURATION_METRIC:
        snapshot.buckets[float(labels["le"])] += value
    elif name == BREAKER_METRIC and value:
        snapshot.breaker = labels["state"]
    elif name == HEALTH_METRIC:
        snapshot.health = "up" if value else "down"


def compare(
    before: Mapping[str, ServiceSnapshot], after: Mapping[str, ServiceSnapshot], seconds: float
) -> list[ServiceRates]:
    """Return what happened between two snapshots so many seconds apart, the busiest first."""
    rates = [
        _rates(name, before.get(name, ServiceSnapshot()), snapshot, seconds)
        for name, snapshot in after.items()
    ]
    return sorted(rates, key=lambda row: (-row.rate, row.service))


def _rates(
    name: str, before: ServiceSnapshot, after: ServiceSnapshot, seconds: float
) -> ServiceRates:
    if after.calls < before.calls:  # the server was started anew
        before = ServiceSnapshot()
    calls = after.calls - before.calls
    buckets = {
        bound: count - before.buckets.get(bound, 0)
        for bound, count in sorted(after.buckets.items())
    }
    return ServiceRates(
        name,
        rate=calls / seconds,
        p50=quantile(0.5, buckets),
        p99=quantile(0.99, buckets),
        failed=(after.failures - before.failures) / calls if calls else None,
        breaker=after.breaker,
        health=after.health,
    )


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """Return the seconds within which this share of calls ended, as ``histogram_quantile`` does.

    :param buckets: cumulative calls by upper bound, bounds ascending, the last one infinite.
    """
    bounds = [0.0, *buckets]
    counts = [count - below for below, count in pairwise([0.0, *buckets.values()])]
    position = find_quantile(share, counts)
    if position is None:
        return None
    index, fraction = position
    low, high = bounds[index : index + 2]
    if high == float("inf"):
        return low
    return low + (high - low) * fraction
