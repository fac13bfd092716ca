"""Connecting under gevent, where a look-up runs in a real thread. In processes of their own, as gevent patches all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
LOOK_UPS = """
from gevent import monkey; monkey.patch_all()
import _socket
import gevent
from gateway.clock import SystemClock
from gateway.errors import ConnectTimeout, OutOfResources
from gateway.http.connect.resolver import MAX_LOOK_UPS, Resolver
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


ADDRESSES = """
from gevent import monkey; monkey.patch_all()
import socket
from gateway.clock import SystemClock
from gateway.http.connect.connector import Connector
from gateway.http.connect.resolver import Address, Resolver

good = socket.create_server(("127.0.0.1", 0))
port = good.getsockname()[1]
black_hole = socket.create_server(("127.0.0.2", port), backlog=0)
waiting = [socket.socket() for _ in range(3)]
for sock in waiting:
    sock.setblocking(False)
    sock.connect_ex(black_hole.getsockname())
clock = SystemClock()
addresses = [Address(socket.AF_INET, (host, 0)) for host in ("127.0.0.2", "127.0.0.1")]
names = Resolver(clock, lambda host: addresses)
connector = Connector(f"http://two.example:{port}", None, clock, names, allow_private=True)
for _ in range(2):
    began = clock.now()
    connection = connector.connect(20)
    print(connection.sock.getpeername()[0], clock.now() - began < 10)
    connection.close()
"""


def run(code: str) -> tuple[str, str]:
    """What it prints to standard output and to standard error."""
    command = [sys.executable, "-c", code]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    return done.stdout, done.stderr


def test_look_ups_that_hang_leave_threads_for_other_names_and_what_fails_prints_no_traceback() -> (
    None
):
    assert run(LOOK_UPS) == ("{'ConnectTimeout'} True OutOfResources\n", "")


def test_a_first_address_that_swallows_everything_costs_a_moment_only() -> None:
    assert run(ADDRESSES) == (2 * "127.0.0.1 True\n", "")
