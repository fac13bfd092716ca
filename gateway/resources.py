"""When nothing is left for one more connection: descriptors, memory, threads. That is our fault and no vendor's."""

from __future__ import annotations

import errno
import os
import socket

EXHAUSTION = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def is_exhaustion(error: BaseException) -> bool:
    """Whether an error says that a resource of this process or machine is used up."""
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_MEMORY
    if isinstance(error, OSError):
        return error.errno in EXHAUSTION
    if isinstance(error, RuntimeError):
        return "start new thread" in str(error)  # CPython has no error of its own for it
    return isinstance(error, MemoryError)


def out_of_descriptors() -> bool:
    """Whether nothing can be opened now; what fails for that reason inside a C library does not always say so."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return is_exhaustion(error)
    return False
