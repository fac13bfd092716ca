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
from tests.e2e.live import Live
from tests.ports import free_port

CALLERS = 200
OUTAGE = 10.0  # seconds
OPEN_FOR = 2.0  # seconds
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
  other:
    base_url: {url}
    allow_private: true
    methods:
      get: {{http: GET /items}}
"""


@dataclass
class Callers:
    """So many at once, each on a connection that it has used; ``calls`` are (began, code), times in Unix seconds."""

    live: Live
    calls: list[tuple[float, int]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    together: threading.Barrier = field(
        default_factory=lambda: threading.Barrier(CALLERS + 1, timeout=60)
    )

    def __enter__(self) -> Callers:
        headers = {"Authorization": f"Bearer {self.live.token()}"}
        self._threads = [
            threading.Thread(target=self._run, args=(headers,), daemon=True) for _ in range(CALLERS)
        ]
        for thread in self._threads:
            thread.start()
        self.together.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, headers: dict[str, str]) -> None:
        connection = HTTPConnection("127.0.0.1", self.live.port, timeout=30)

        def call(service: str) -> int:
            connection.request("GET", f"/api/v1/call/{service}/get", headers=headers)
            return int(re.search(rb'"code":(-?\d+)', connection.getresponse().read())[1])

        call("other")
        self.together.wait()
        while not self.stopping.is_set():
            self.calls.append((time.time(), call("demo")))
            self.stopping.wait(PAUSE)
        connection.close()


def breaker_lines(live: Live) -> list[tuple[float, str, str]]:
    """Every change of a worker's circuit: when (Unix seconds), the state, why."""
    lines = [json.loads(line) for line in live.log.splitlines() if '"event":"breaker"' in line]
    return [
        (datetime.fromisoformat(entry["timestamp"]).timestamp(), entry["state"], entry["why"])
        for entry in lines
    ]


def pause_until(moment: float) -> None:
    threading.Event().wait(max(0.0, moment - time.time()))


@dataclass(frozen=True)
class Storm:
    """Times in seconds; ``opened`` is when each worker left the service alone, first and last.

    :param missed: how often Redis was too slow for a worker, on a machine too busy; the worker then went by itself.
    """

    workers: int
    opened: tuple[float, float]
    openings: int
    closings: int
    calls: int
    burst: int
    probes: int
    lasted: float
    refused: int
    recovery: float
    well: int
    missed: int

    def __str__(self) -> str:
        return (
            f"{self.workers} workers: open after {self.opened[0]:.2f} to {self.opened[1]:.2f} s and {self.calls} calls, for"
            f" which the service saw {self.burst} requests ({self.burst / self.calls:.2f} a call), then {self.probes}"
            f" probes in {self.lasted:.1f} s; {self.refused} calls were refused; all went well again {self.recovery:.2f} s"
            f" after the service did; Redis was missed {self.missed} times"
        )


@pytest.mark.alone
@pytest.mark.parametrize("workers", [1, 4], ids=["one worker in memory", "four workers over Redis"])
def test_a_storm_is_kept_from_the_service(
    request: pytest.FixtureRequest, tmp_path: Path, workers: int
) -> None:
    settings = {
        "WEB_CONCURRENCY": str(workers),
        "DEFAULT_RATE_LIMIT": "1000000/minute",
        "LOG_LEVEL": "warning",
    }
    if workers > 1:
        settings["REDIS_URL"] = request.getfixturevalue("redis_url")
    with Sandbox(port=free_port()) as box:
        live = Live(tmp_path, CATALOG.format(url=box.url, open_for=OPEN_FOR), **settings).start()
        try:
            storm = blow(live, box, workers)
        finally:
            live.stop()
    print(f"\n{storm}")  # noqa: T201
    assert (storm.openings, storm.closings) == (workers, 0)
    assert storm.burst < 1.3 * storm.calls
    assert storm.probes <= storm.lasted / OPEN_FOR
    assert storm.refused
    assert storm.recovery < 2 * OPEN_FOR
    assert storm.well > CALLERS


def blow(live: Live, box: Sandbox, workers: int) -> Storm:
    box.fault("/anything", "status=503")
    with Callers(live) as callers:
        failing = time.time()
        pause_until(failing + OUTAGE)
        count, lines = (
            sum(request.path == "/anything" for request in box.requests),
            breaker_lines(live),
        )
        box.fault("/anything", "")
        well = time.time()
        pause_until(well + 3 * OPEN_FOR)
    opened = [when for when, state, why in lines if state == "open" and "let through" not in why]
    probes = [when for when, state, _ in lines if state == "half_open"]
    early = [when for when in probes if when < opened[-1]]  # before the last worker had heard
    failed = [began for began, code in callers.calls if code == -1004 and began < opened[-1]]
    delays = [
        began - well for began, code in callers.calls if code in (-1004, -1007) and began >= well
    ]
    return Storm(
        workers=workers,
        opened=(opened[0] - failing, opened[-1] - failing),
        openings=len(opened),
        closings=sum(state == "closed" for _, state, _ in lines),
        calls=len(failed) - len(early),
        burst=count - len(probes),
        probes=len(probes),
        lasted=well - opened[0],
        refused=sum(code == -1007 for _, code in callers.calls),
        recovery=max(delays, default=0.0),
        well=sum(code == 0 for began, code in callers.calls if began > well + 2 * OPEN_FOR),
        missed=live.log.count('"event":"store_away"'),
    )
