"""A real tinyproxy that wants a user and password, on a loopback port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.e2e.live import end, wait_for
from tests.ports import free_port

MISSING = (
    "These tests need tinyproxy: apt-get install tinyproxy (or brew install tinyproxy)."
    " POSTERN_TEST_TINYPROXY=no leaves them out."
)
USER = "ann"
PASSWORD = "hunter2hunter2"
CONFIG = """
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 30
MaxClients 50
BasicAuth {user} {password}
{rules}
"""


class TinyproxyError(Exception):
    """It cannot be started; says what to do."""


def program() -> str:
    """:raises TinyproxyError: there is none."""
    path = shutil.which(
        "tinyproxy", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin:/usr/bin"
    )
    if path is None:
        raise TinyproxyError(MISSING)
    return path


class Tinyproxy:
    """:param rules: further lines of its configuration."""

    def __init__(self, folder: Path, rules: str = "") -> None:
        self._program = program()
        self._file = folder / "tinyproxy.conf"
        self._log = folder / "tinyproxy.log"
        self.port = free_port()
        self.url = f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}"
        self._file.write_text(
            CONFIG.format(port=self.port, user=USER, password=PASSWORD, rules=rules)
        )

    def __enter__(self) -> Tinyproxy:
        with self._log.open("ab") as log:
            command = [self._program, "-d", "-c", str(self._file)]
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            wait_for(self._listens)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)

    @property
    def log(self) -> str:
        """Each request line, as ``Request (file descriptor 7): CONNECT ...``."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.log
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
