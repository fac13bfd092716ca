"""How the C library keeps memory: large blocks go back to the system when they are freed."""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD = -3  # malloc.h
LARGE_BLOCK_BYTES = (
    131_072  # glibc's own beginning, which it raises to 32 MiB once such blocks have been freed
)


def give_back_large_blocks() -> None:
    """Keep glibc's threshold for mapped blocks where it begins: a body of some MB would leave holes in the heap.

    Other C libraries have no such setting, nor that habit.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
