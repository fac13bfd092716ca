"""How a worker knows whether the whole service ends, or only itself because another takes its place."""

from __future__ import annotations

import mmap
from typing import Any, NoReturn

_flag = mmap.mmap(-1, 1)  # made before the first fork, so that master and workers have the same


def announce(arbiter: Any) -> None:
    """Let gunicorn's master tell the workers that all of it ends, before it tells each of them to."""

    def handle_term() -> NoReturn:
        _flag[0] = 1
        raise StopIteration  # as the arbiter's own does

    arbiter.handle_term = handle_term


def announced() -> bool:
    return _flag[0] == 1
