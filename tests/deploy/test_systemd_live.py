"""Postern as systemd starts it: on a socket that is open already, and not allowed to make code of data."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.deploy.container import listens
from tests.e2e.live import BIN, ROOT, end, wait_for
from tests.ports import free_port

#: Runs the rest of its command line under what ``MemoryDenyWriteExecute=`` stands for.
DENY = """\
import ctypes, os, sys
PR_SET_MDWE = 65  # prctl(2)
PR_MDWE_REFUSE_EXEC_GAIN = 1
assert ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def notify(tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd hears that a service is ready."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60)
        yield listener


@pytest.fixture
def port(tmp_path: Path, notify: socket.socket) -> Iterator[int]:
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "ENV": "production",
        "JWT_SECRET": "of the test of systemd, long enough",
        "DRAIN_SECONDS": "0",
        "PORT": "1",  # nobody may listen there: the socket is what counts
        "DATABASE_URL": f"sqlite:///{tmp_path}/postern.db",
        "FILES_DIR": str(tmp_path / "files"),
        "CATALOG_COPY": str(tmp_path / "last.yaml"),
    }
    subprocess.run([BIN / "flask", "db", "upgrade"], cwd=ROOT, env=env, check=True, timeout=120)
    command = ["systemd-socket-activate", "--listen", f"127.0.0.1:{port}"]
    for name, value in env.items():
        command += ["--setenv", f"{name}={value}"]
    command += ["--setenv", f"NOTIFY_SOCKET={tmp_path}/notify"]
    command += [sys.executable, "-c", DENY, str(BIN / "gunicorn")]
    server = subprocess.Popen(command, cwd=ROOT, env=env)
    try:
        wait_for(lambda: server.poll() is not None or listens(port))
        yield port
    finally:
        end(server)


def test_a_call_waits_in_systemds_socket_until_postern_is_ready(
    port: int, notify: socket.socket
) -> None:
    answer = requests.get(f"http://127.0.0.1:{port}/readyz", timeout=60)
    assert answer.status_code == 200
    assert b"READY=1" in notify.recv(1000)
