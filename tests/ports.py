"""Loopback ports for what tests start: each is given out once, so that a client of a server that has
ended (a probe, a second try) never reaches another test's server in its place.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import suppress


def _ports() -> Iterator[int]:
    """Ports that no other test process takes: below those that the kernel gives to whoever connects."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 10_000 + 2_000 * (worker % 10)
    return itertools.cycle(range(first + os.getpid() % 1_000, first + 2_000))


_PORTS = _ports()


def free_port() -> int:
    """A loopback port that nobody listens on, and that this process has not given out for a long time."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")
