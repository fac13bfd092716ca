"""Long pieces of work let the others have their turn, those too that wait for a socket."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from gevent import monkey; monkey.patch_all()
import socket, time
import gevent
from gateway.clock import Pause, SystemClock

ours, theirs = socket.socketpair()
answered = 0

def ask():
    global answered
    while ours.send(b"?") and ours.recv(1):
        answered += 1

def answer():
    while theirs.recv(1):
        theirs.send(b"!")

gevent.spawn(ask)
gevent.spawn(answer)
gevent.sleep(0)
pause = Pause(SystemClock())
answered = 0
for _ in range(60):
    until = time.monotonic() + 1.2 * Pause.WORK_SECONDS
    while time.monotonic() < until:
        pass
    pause()
print(answered)
"""


def test_each_pause_lets_who_waits_for_a_socket_go_on() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, timeout=60, check=True
    )
    assert int(done.stdout) >= 20
