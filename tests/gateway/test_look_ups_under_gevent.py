"""Under gevent a look-up runs in a real thread. In a process of its own, as gevent patches all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = """
from gevent import monkey; monkey.patch_all()
import _socket
import gevent
from gateway.clock import SystemClock
from gateway.errors import ConnectTimeout, OutOfResources
from gateway.resolver import MAX_LOOK_UPS, Resolver
from server.resolver import Resolver as ServerResolver
gevent.config.resolver = ServerResolver
release = monkey.get_original("threading", "Event")()
system = _socket.getaddrinfo

def getaddrinfo(host, *how):
    if host.startswith("slow"):
        release.wait()
    if host.startswith("full"):
        raise OSError(24, "Too many open files")
    return system(host, *how)

_socket.getaddrinfo = getaddrinfo
resolver = Resolver(SystemClock())

def outcome(host, seconds):
    try:
        return {address.host for address in resolver.addresses(host, 80, seconds)} <= {"127.0.0.1", "::1"}
    except (ConnectTimeout, OutOfResources) as error:
        return type(error).__name__

slow = [gevent.spawn(outcome, f"slow{number}.example", 0.2) for number in range(MAX_LOOK_UPS - 1)]
print({each.get() for each in slow}, outcome("localhost", 20), outcome("full.example", 20))
release.set()
"""


def test_look_ups_that_hang_leave_threads_for_other_names_and_what_fails_prints_no_traceback() -> None:
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("{'ConnectTimeout'} True OutOfResources\n", "")
