"""A real Prometheus with ``deploy/prometheus/``, on a loopback port of its own; and what its files ask for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.e2e.live import ROOT, end, wait_for
from tests.e2e.monitoring.promtool import MISSING, PromtoolError
from tests.ports import free_port

FOLDER = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "postern.json"
GRAFANA_VARIABLES = {"[$__rate_interval]": "[1m]", "$service": ".*"}


def rules() -> list[dict[str, Any]]:
    """Recording and alert rules, as they are written."""
    groups = [
        yaml.safe_load((FOLDER / name).read_text())["groups"]
        for name in ("recording.yml", "alerts.yml")
    ]
    return [rule for file in groups for group in file for rule in group["rules"]]


def panels() -> Iterator[tuple[str, str]]:
    """(title, expression) of everything the dashboard asks, as Grafana sends it."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for written, filled in GRAFANA_VARIABLES.items():
                expression = expression.replace(written, filled)
            yield panel["title"], expression


def documented() -> dict[str, set[str]]:
    """Labels by metric, as docs/metrics.md has them."""
    rows = re.findall(
        r"^\| (`postern_.*?) \|(.*?)\|", (ROOT / "docs" / "metrics.md").read_text("utf-8"), re.M
    )
    return {
        name: set(re.findall(r"\w+", labels))
        for names, labels in rows
        for name in re.findall(r"\w+", names)
    }


class Prometheus:
    """Scrapes one Postern every second, by the files that ship."""

    def __init__(self, folder: Path, postern: int) -> None:
        self._program = shutil.which("prometheus")
        if self._program is None:
            raise PromtoolError(MISSING)
        shutil.copytree(FOLDER, folder / "config")
        self._config = folder / "config" / "prometheus.yml"
        text = self._config.read_text()
        for shipped, own in (("127.0.0.1:5000", f"127.0.0.1:{postern}"), ("15s", "1s")):
            assert shipped in text
            text = text.replace(shipped, own)
        self._config.write_text(text)
        self._folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> Prometheus:
        command = [
            self._program,
            f"--config.file={self._config}",
            f"--storage.tsdb.path={self._folder / 'data'}",
        ]
        with (self._folder / "prometheus.log").open("ab") as log:
            command += [f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=warn"]
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            wait_for(self._answers)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        end(self.process)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression gives now."""
        answer = requests.get(
            f"{self.url}/api/v1/query", params={"query": expression}, timeout=30
        ).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        series: list[dict[str, Any]] = answer["data"]["result"]
        return series

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self._folder / "prometheus.log").read_text()
        try:
            return requests.get(f"{self.url}/-/ready", timeout=2).status_code == 200
        except requests.RequestException:
            return False
