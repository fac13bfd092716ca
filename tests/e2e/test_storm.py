"""A service that fails for ten seconds under two hundred callers is left alone, and taken up again when it is well."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.e2e.live import Live, wait_for

CALLERS = 200
OUTAGE = 10.0  # seconds
OPEN_FOR = 1.0  # seconds
KEPT = (-1004, -1007)  # what calls end with because the service failed
PAUSE = 1.0  # seconds between the calls of one caller
CATALOG = """
version: 1
services:
  demo:
    base_url: {url}
    allow_private: true
    breaker: {{window: 10, min_calls: 20, failure_rate: 0.5, open_for: {open_for}}}
    methods:
      get: {{http: GET /anything}}
"""


@dataclass
class Callers:
    """So many at once, each with a connection of its own; ``calls`` are (began, code), the times in Unix seconds."""

    live: Live
    calls: list[tuple[float, int]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Callers:
        headers = {"Authorization": f"Bearer {self.live.token()}"}
        self._threads = [threading.Thread(target=self._run, args=(headers,), daemon=True) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, headers: dict[str, str]) -> None:
        connection = HTTPConnection("127.0.0.1", self.live.port, timeout=30)
        while not self.stopping.is_set():
            began = time.time()
            connection.request("GET", "/api/v1/call/demo/get", headers=headers)
            body = connection.getresponse().read()
            self.calls.append((began, int(re.search(rb'"code":(-?\d+)', body)[1])))
            self.stopping.wait(PAUSE)
        connection.close()


def all_opened(live: Live, workers: int) -> float | None:
    """When the last of all workers opened its circuit or heard of it, in Unix seconds; None before that."""
    lines = [json.loads(line) for line in live.log.splitlines() if '"event":"breaker"' in line]
    states = [line["state"] for line in lines]
    if len(lines) < workers and "half_open" not in states:
        return None
    opened = lines[: states.index("half_open")] if "half_open" in states else lines
    return _unix(opened[-1]["timestamp"])


def _unix(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def pause_until(moment: float) -> None:
    threading.Event().wait(max(0.0, moment - time.time()))


@pytest.mark.parametrize("workers", [1, 4], ids=["one worker in memory", "four workers over Redis"])
def test_a_storm_is_kept_from_the_service(request: pytest.FixtureRequest, tmp_path: Path, workers: int) -> None:
    settings = {"WEB_CONCURRENCY": str(workers), "DEFAULT_RATE_LIMIT": "1000000/minute", "LOG_LEVEL": "warning"}
    if workers > 1:
        settings["REDIS_URL"] = request.getfixturevalue("redis_url")
    with Sandbox() as box:
        live = Live(tmp_path, CATALOG.format(url=box.url, open_for=OPEN_FOR), **settings).start()
        try:
            _storm(live, box, workers)
        finally:
            live.stop()


def _storm(live: Live, box: Sandbox, workers: int) -> None:
    def seen() -> int:
        return box.stats()["requests"]

    box.fault("*", "status=503")
    failing = time.time()
    with Callers(live) as callers:
        opened = wait_for(lambda: all_opened(live, workers), seconds=OUTAGE)
        pause_until(opened + 0.5 * OPEN_FOR)  # what was under way has arrived
        burst = seen()
        pause_until(failing + OUTAGE)
        box.fault("*", "")
        well, probes = time.time(), seen() - burst
        pause_until(well + 4 * OPEN_FOR)
    made = [began for began, code in callers.calls if began < opened and code == -1004]
    refused = [code for _, code in callers.calls if code == -1007]
    recovery = max((began - well for began, code in callers.calls if code in KEPT and began >= well), default=0.0)
    away = live.log.count('"event":"store_away"')  # to a worker, on a machine too busy; it then goes by what it knows
    allowed = (well - opened) / OPEN_FOR + away
    print(  # noqa: T201
        f"\n{workers} workers: open {opened - failing:.2f} s and {len(made)} calls after the service began to fail; it saw"
        f" {burst} requests ({burst / len(made):.2f} a call), then {probes} probes in {well - opened:.1f} s;"
        f" {len(refused)} calls were refused; {recovery:.2f} s after it was well again so was every call"
        f" (Redis was missed {away} times)"
    )
    assert burst < 1.3 * len(made)
    assert probes <= allowed
    assert refused
    assert recovery < 2 * OPEN_FOR
    assert [code for began, code in callers.calls if began > well + 2 * OPEN_FOR].count(0) > CALLERS
