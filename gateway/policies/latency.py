"""Latencies counted in buckets, each reaching a fifth further than the last: a percentile is right to 10 %."""

from __future__ import annotations

import math
from collections.abc import Mapping

STEPS = 4  # buckets from a time to its double
SHORTEST = 0.0001  # seconds; what is quicker counts as this


def bucket_of(seconds: float) -> int:
    return max(0, int(math.log2(max(seconds, SHORTEST) / SHORTEST) * STEPS))


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """Seconds within which this share of the calls ended; None of no calls.

    :param counts: by bucket.
    """
    due = share * sum(counts.values())
    for bucket in sorted(counts):
        due -= counts[bucket]
        if due <= 0:
            return float(SHORTEST * 2 ** ((bucket + 0.5) / STEPS))
    return None
