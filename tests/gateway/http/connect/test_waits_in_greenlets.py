"""How a greenlet waits for a service, on gevent's own loop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
#: The loop takes the time when it turns, and a greenlet that computes does not let it.
BUSY = """
from gevent import monkey
monkey.patch_all()
import socket
import gevent
from gateway.clock import SystemClock
from gateway.http.connect.connection import Connection

clock = SystemClock()
near, far = socket.socketpair()
connection = Connection(near, clock)
gevent.sleep(0.01)
busy_until = clock.now() + 0.3
while clock.now() < busy_until:
    pass
until = clock.now() + 0.5
try:
    connection.receive(until)
except TimeoutError:
    print(clock.now() >= until)
"""


def test_a_wait_does_not_end_before_its_time_where_the_loop_was_kept_busy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BUSY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "True"
