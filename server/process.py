"""What a process asks of the operating system, of the C library and of Python's collector."""

from __future__ import annotations

import ctypes
import gc
import resource

MAX_DESCRIPTORS = 1_048_576  # where the hard limit is higher still or infinite
MAX_CONNECTIONS = 4096  # of one worker
RESERVED_DESCRIPTORS = 64  # files, database, Redis, metrics, the loop itself
DESCRIPTORS_PER_CALL = 2  # the caller's connection and the service's

M_MMAP_THRESHOLD = -3  # malloc.h
#: glibc's own beginning, which it raises to 32 MiB once such blocks have been freed.
LARGE_BLOCK_BYTES = 131_072
#: A large catalog loads a third faster than with Python's own, and calls are disturbed less; with
#: a higher first one the cycles that SQLAlchemy and psycopg leave would take megabytes for a while.
COLLECTOR_THRESHOLDS = (10_000, 20, 50)


def tune_memory() -> None:
    """Let the collector run seldom, and large blocks go back to the system when they are freed.

    glibc's threshold for mapped blocks is kept where it begins: otherwise a body of some MB would
    leave holes in the heap. Other C libraries have no such setting, nor that habit.
    """
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)


def raise_descriptor_limit() -> int:
    """Raise the soft limit of file descriptors to the hard one; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = MAX_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        target = min(hard, MAX_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY:
        return MAX_DESCRIPTORS
    if soft < target:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        except (OSError, ValueError):  # macOS says "unlimited" and allows less
            return soft
        return target
    return soft


def connections_within(descriptors: int) -> int:
    """Return how many connections a worker may have, so that each of them can be a call."""
    return max(
        1, min(MAX_CONNECTIONS, (descriptors - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_CALL)
    )
