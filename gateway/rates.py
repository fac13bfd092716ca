"""How much is allowed in how long a time, and the permit that a store gives for a use."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}


class Rate(NamedTuple):
    """At most ``amount`` in any ``window`` seconds."""

    amount: int
    window: float


class Bucket(NamedTuple):
    """One count under one rate; all who use the same key of the same store share the count."""

    key: str
    rate: Rate


class Permit(NamedTuple):
    """The answer to a request for one use.

    :param allowed: it is counted; otherwise nothing was changed.
    :param wait: seconds from now until the use may begin, or until it might have begun; 0: now.
    :param limit: the amount of the first bucket.
    :param remaining: uses that the first bucket has left.
    :param reset: seconds until the first bucket forgets the oldest use it counts.
    """

    allowed: bool
    wait: float
    limit: int
    remaining: int
    reset: float


@lru_cache(maxsize=1024)
def parse_rate(text: str) -> Rate:
    """Return ``100/minute`` as a value; the text was checked where it came in."""
    amount, _, unit = text.partition("/")
    return Rate(int(amount), _SECONDS[unit])
