"""Tells a worker whether the whole service ends, or only itself, and who takes its place."""

from __future__ import annotations

import mmap
from typing import Any, NoReturn

SERVES = 0
ENDS = 1  # its listening sockets stay open elsewhere
ENDS_WITH_SOCKETS = 2

MAX_AGES = 4096  # of workers, gunicorn's count of them; after so many the marks are used again

# Made before the first fork, so that master and workers have the same.
_state = mmap.mmap(-1, 1)
_accepting = mmap.mmap(-1, MAX_AGES)


def announce(arbiter: Any) -> None:
    """Have gunicorn's master tell the workers that the service ends, before it ends them."""

    def handle_term() -> NoReturn:
        _state[0] = ENDS if _shares_sockets(arbiter) else ENDS_WITH_SOCKETS
        raise StopIteration  # as the arbiter's own does

    arbiter.handle_term = handle_term


def service_ends() -> bool:
    return _state[0] != SERVES


def closes_sockets() -> bool:
    """Return whether nobody listens on once the workers have closed the listening sockets."""
    return _state[0] == ENDS_WITH_SOCKETS


def forget(age: int) -> None:
    """Let a worker that is about to be made count as one that does not accept yet."""
    _accepting[age % MAX_AGES] = 0


def mark_accepting(age: int) -> None:
    """Say that the worker takes connections."""
    _accepting[age % MAX_AGES] = 1


def successor_accepts(age: int, workers: int) -> bool:
    """Return whether one of the workers that take the place of this worker's does so.

    :param workers: how many there are; the next so many are the successors.
    """
    first = age + workers
    return any(_accepting[later % MAX_AGES] for later in range(first, first + workers))


def _shares_sockets(arbiter: Any) -> bool:
    """Return whether a predecessor, a successor (USR2) or systemd has the sockets, too."""
    return bool(arbiter.reexec_pid or arbiter.master_pid or arbiter.systemd)
