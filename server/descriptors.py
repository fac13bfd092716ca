"""File descriptors: as many as this process may have, and what that is enough for."""

from __future__ import annotations

import resource

MAX_DESCRIPTORS = 1_048_576  # where the hard limit is higher still or infinite
MAX_CONNECTIONS = 4096  # of one worker
RESERVE = 64  # files, database, Redis, metrics, the loop itself
PER_CALL = 2  # the caller's connection and the service's


def raise_limit() -> int:
    """Raise the soft limit to the hard one; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):  # macOS says "unlimited" and allows less
            return soft
    return MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def connections_within(limit: int) -> int:
    """How many connections a worker may have, so that each of them can be a call."""
    return max(1, min(MAX_CONNECTIONS, (limit - RESERVE) // PER_CALL))
