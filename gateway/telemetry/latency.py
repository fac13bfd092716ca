"""Latencies as counts in buckets, and the quantiles that can be read from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

#: Each reaches a fifth further than the last: a percentile is right to 10 %.
BUCKETS_PER_DOUBLING = 4
MIN_SECONDS = 0.0001  # what is quicker counts as this


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket that counts a call of this length."""
    doublings = math.log2(max(seconds, MIN_SECONDS) / MIN_SECONDS)
    return max(0, int(doublings * BUCKETS_PER_DOUBLING))


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """Return the seconds within which this share of the calls ended; None of no calls.

    :param counts: calls by ``bucket_of`` their seconds.
    """
    buckets = sorted(counts)
    position = find_quantile(share, [counts[bucket] for bucket in buckets])
    if position is None:
        return None
    middle = buckets[position[0]] + 0.5
    return float(MIN_SECONDS * 2 ** (middle / BUCKETS_PER_DOUBLING))


def find_quantile(share: float, counts: Sequence[float]) -> tuple[int, float] | None:
    """Find the bucket in which this share of the counted falls; None where nothing was counted.

    :param counts: of the buckets, the lowest first.
    :returns: the bucket's index, and how far into it the share reaches (0 to 1).
    """
    rank = share * sum(counts)
    below = 0.0
    for index, count in enumerate(counts):
        if below + count >= rank > 0:
            return index, (rank - below) / count
        below += count
    return None
