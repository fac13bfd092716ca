"""What two looks at ``/metrics`` say of each service: how many calls, how fast, how many failed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families

Bounds = dict[float, float]
BREAKER, HEALTH = "postern_breaker_state", "postern_service_up"
CALLS, SECONDS = "postern_calls_total", "postern_call_duration_seconds_bucket"
NO = "-1006"  # the service understood and said no: an answer, not a failure


@dataclass
class Seen:
    """One service at one look; counts since the server's start.

    :param buckets: calls that took at most so many seconds.
    """

    calls: float = 0
    failures: float = 0
    buckets: Bounds = field(default_factory=lambda: defaultdict(float))
    breaker: str = "closed"
    health: str = "unknown"


@dataclass(frozen=True)
class Measure:
    """One service between two looks. Seconds; None where there were no calls.

    :param failed: the share of calls that failed by the gateway's or the service's fault.
    """

    service: str
    rate: float
    p50: float | None
    p99: float | None
    failed: float | None
    breaker: str
    health: str


def look(text: str) -> dict[str, Seen]:
    """Services by name, read from the text of ``/metrics``.

    :raises ValueError: it is something else.
    """
    seen: dict[str, Seen] = defaultdict(Seen)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if "service" in sample.labels:
                _note(seen[sample.labels["service"]], sample.name, sample.labels, sample.value)
    return dict(seen)


def _note(seen: Seen, name: str, labels: dict[str, str], value: float) -> None:
    if name == CALLS:
        seen.calls += value
        seen.failures += value * (labels["source"] in ("gateway", "downstream") and labels["code"] != NO)
    elif name == SECONDS:
        seen.buckets[float(labels["le"])] += value
    elif name == BREAKER and value:
        seen.breaker = labels["state"]
    elif name == HEALTH:
        seen.health = "up" if value else "down"


def measures(before: dict[str, Seen], after: dict[str, Seen], seconds: float) -> list[Measure]:
    """What happened in between, the busiest service first."""
    made = [_measure(name, before.get(name, Seen()), now, seconds) for name, now in after.items()]
    return sorted(made, key=lambda each: (-each.rate, each.service))


def _measure(name: str, before: Seen, after: Seen, seconds: float) -> Measure:
    if after.calls < before.calls:  # the server was started anew
        before = Seen()
    calls = after.calls - before.calls
    buckets = {bound: count - before.buckets.get(bound, 0) for bound, count in sorted(after.buckets.items())}
    failed = (after.failures - before.failures) / calls if calls else None
    p50, p99 = quantile(0.5, buckets), quantile(0.99, buckets)
    return Measure(name, calls / seconds, p50, p99, failed, after.breaker, after.health)


def quantile(share: float, buckets: Bounds) -> float | None:
    """Seconds within which this share of the calls ended, as Prometheus' ``histogram_quantile`` reckons it.

    :param buckets: calls by upper bound, added up, bounds ascending, the last one infinite.
    """
    counts = [(0.0, 0.0), *buckets.items()]
    wanted = share * counts[-1][1]
    for (low, below), (high, upto) in pairwise(counts):
        if upto >= wanted > 0:
            return low if high == float("inf") else low + (high - low) * (wanted - below) / (upto - below)
    return None
