"""How long to wait before the next attempt, or poll: exponential backoff with full jitter.

Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

MIN_POLL_SECONDS = 0.2  # between two requests, whatever a server answers
POLL_BACKOFF_SECONDS = 0.5  # before the jitter, while it is away
MAX_DOUBLINGS = 62  # beyond them any maximum is reached, and a float would overflow in the end


def backoff_seconds(attempt: int, base: float, maximum: float, jitter: float) -> float:
    """Return the seconds to wait after a failed attempt.

    :param attempt: 1 after the first.
    :param base: seconds, as ``maximum``.
    :param jitter: evenly random, 0 up to 1.
    """
    doublings = min(attempt - 1, MAX_DOUBLINGS)
    return jitter * min(maximum, base * 2.0**doublings)


def poll_seconds(failures: int, maximum: float, jitter: float) -> float:
    """Return how long to wait before a server is asked again.

    :param failures: how many times in a row it could not be asked.
    :param maximum: as ``backoff_seconds``, with ``jitter``.
    """
    if not failures:
        return MIN_POLL_SECONDS
    return max(MIN_POLL_SECONDS, backoff_seconds(failures, POLL_BACKOFF_SECONDS, maximum, jitter))
