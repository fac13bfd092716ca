"""How long to wait before the next attempt: exponential backoff with full jitter.

Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations


def delay(attempt: int, base: float, most: float, jitter: float) -> float:
    """Seconds to wait after a failed attempt.

    :param attempt: 1 after the first.
    :param jitter: evenly random, 0 up to 1.
    """
    return jitter * min(most, base * 2.0 ** min(attempt - 1, 62))
