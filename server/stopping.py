"""Tells a worker whether the whole service ends, or only itself, to be replaced."""

from __future__ import annotations

import mmap
from typing import Any, NoReturn

SERVES = 0
ENDS = 1  # its listening sockets stay open elsewhere
ENDS_WITH_SOCKETS = 2

_state = mmap.mmap(-1, 1)  # made before the first fork, so that master and workers have the same


def announce(arbiter: Any) -> None:
    """Have gunicorn's master tell the workers that the service ends, before it ends them."""

    def handle_term() -> NoReturn:
        _state[0] = ENDS if _shares_sockets(arbiter) else ENDS_WITH_SOCKETS
        raise StopIteration  # as the arbiter's own does

    arbiter.handle_term = handle_term


def announced() -> bool:
    return _state[0] != SERVES


def closes_sockets() -> bool:
    """Whether nobody listens on once the workers have closed the listening sockets."""
    return _state[0] == ENDS_WITH_SOCKETS


def _shares_sockets(arbiter: Any) -> bool:
    """Whether a predecessor, a successor (USR2) or systemd has the listening sockets, too."""
    return bool(arbiter.reexec_pid or arbiter.master_pid or arbiter.systemd)
