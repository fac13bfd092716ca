"""A real nginx with ``deploy/nginx.conf``, on a loopback port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.e2e.live import ROOT, end, wait_for
from tests.ports import free_port

MISSING = "These tests need nginx: apt-get install nginx (or brew install nginx). POSTERN_TEST_NGINX=no leaves them out."
WRAPPER = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/postern.conf;
}}
"""


class NginxError(Exception):
    """It cannot be started; says what to do."""


def program() -> str:
    """:raises NginxError: there is none."""
    path = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise NginxError(MISSING)
    return path


class Nginx:
    """What ships, with only the names changed that everybody has to change.

    :param conf: another file instead, in which ``{port}`` is where to listen.
    :param changes: what else stands in place of what ships, such as a time that a test can wait for.
    """

    def __init__(
        self,
        folder: Path,
        *ports: int,
        files: str = "",
        conf: str = "",
        changes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._program = program()
        self._folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = folder / "nginx.log"
        (folder / "postern.conf").write_text(
            conf.format(port=self.port) or self._shipped(ports, files, changes), encoding="utf-8"
        )
        # Nobody else may read the tests' folders.
        user = "user root root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(
            WRAPPER.format(folder=folder, user=user), encoding="utf-8"
        )

    def _shipped(self, ports: tuple[int, ...], files: str, changes: Mapping[str, str]) -> str:
        text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
        servers = "\n".join(f"server 127.0.0.1:{port} max_fails=0;" for port in ports)
        for shipped, own in (
            ("listen 80;", f"listen 127.0.0.1:{self.port};"),
            ("server 127.0.0.1:5000 max_fails=0;", servers),
            ("alias /var/lib/postern/files/;", f"alias {files}/;"),
            *changes.items(),
        ):
            assert text.count(shipped) == 1, shipped
            text = text.replace(shipped, own)
        return text

    def use_tls(self, pem: Path) -> int:
        """Turn it into the server with TLS, as the file says how; return the port that redirects."""
        plain_port = free_port()
        file = self._folder / "postern.conf"
        lines = [
            line.replace("#tls ", "")
            for line in file.read_text(encoding="utf-8").splitlines()
            if f"listen 127.0.0.1:{self.port};" not in line and "listen [::]:" not in line
        ]
        text = "\n".join(lines)
        for shipped, own in (
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            ("listen *:80;", f"listen 127.0.0.1:{plain_port};"),
            ("/etc/ssl/postern/fullchain.pem", str(pem)),
            ("/etc/ssl/postern/key.pem", str(pem)),
        ):
            assert text.count(shipped) == 1, shipped
            text = text.replace(shipped, own)
        file.write_text(text, encoding="utf-8")
        self.url = self.url.replace("http:", "https:")
        return plain_port

    def start(self) -> Nginx:
        command = [
            self._program,
            "-p",
            str(self._folder),
            "-c",
            str(self._folder / "nginx.conf"),
            "-e",
            "stderr",
        ]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            wait_for(self._listens)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        end(self.process)

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.log_file.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
