"""How long to wait before the next attempt: exponential backoff with full jitter.

Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

MAX_DOUBLINGS = 62  # beyond them any maximum is reached, and a float would overflow in the end


def backoff_seconds(attempt: int, base: float, maximum: float, jitter: float) -> float:
    """Return the seconds to wait after a failed attempt.

    :param attempt: 1 after the first.
    :param base: seconds, as ``maximum``.
    :param jitter: evenly random, 0 up to 1.
    """
    doublings = min(attempt - 1, MAX_DOUBLINGS)
    return jitter * min(maximum, base * 2.0**doublings)
