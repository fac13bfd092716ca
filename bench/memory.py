"""What a worker keeps of what it read, without a garbage collector: ``python -m bench.memory``."""

from __future__ import annotations

import gzip
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.upload_memory import MIB, resident
from sandbox import Sandbox
from tests.e2e.live import Live
from tests.gateway.fakes import Wire, answer

MAX_GROWTH_MIB = 32
CONF = ("-c", str(Path(__file__).parent / "no_collector.py"))
CALLERS = 4
LARGE = answer(b'"' + b"x" * (5 * MIB) + b'"', "200 OK", "Content-Type: application/json")
OVERSIZE = answer(b'"' + b"x" * (12 * MIB) + b'"', "200 OK", "Content-Type: application/json")
BOMB = answer(gzip.compress(b"x" * (1024 * MIB), 9), "200 OK", "Content-Encoding: gzip")
CATALOG = """
version: 1
defaults:
  retry: {{times: 0}}
  breaker: {{min_calls: 1000000}}
  deadline: 60
  timeout: {{read: 60}}
services:
  large: {{base_url: "{large}", allow_private: true, methods: {{get: {{http: GET /}}}}}}
  oversize: {{base_url: "{oversize}", allow_private: true, methods: {{get: {{http: GET /}}}}}}
  bomb: {{base_url: "{bomb}", allow_private: true, methods: {{get: {{http: GET /}}}}}}
  small:
    base_url: {box}
    allow_private: true
    methods:
      post: {{http: POST /anything, params: {{a: {{type: string}}}}}}
      fail: {{http: GET /status/404}}
"""


class Worker:
    """The one worker of a running service, and the callers it has."""

    def __init__(self, live: Live) -> None:
        self.live = live
        master = live.process.pid
        [child] = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        self._process = int(child)
        self._before = resident(self._process)

    def stage(self, name: str, call: Callable[[int], int], count: int, status: int | None) -> float:
        """MiB by which the worker has grown since the beginning."""
        with ThreadPoolExecutor(CALLERS) as callers:
            statuses = set(callers.map(call, range(count)))
        assert status is None or statuses == {status}, statuses
        grown = resident(self._process) - self._before
        print(
            f"{name}: {count} answered {sorted(statuses)}; the worker has "
            f"{resident(self._process):.1f} MiB, {grown:+.1f}"
        )
        return grown


def mixed(live: Live) -> Callable[[int], int]:
    """Small calls of all kinds, good and bad."""
    calls: list[Callable[[], int]] = [
        lambda: live.call("small.post", {"a": "x"}).status_code,
        lambda: live.call("small.fail").status_code,
        lambda: live.call("small.post", {"b": 1}).status_code,
        lambda: live.call("no.such").status_code,
        lambda: live.get("/api/v1/products").status_code,
        lambda: live.get("/api/v1/products/99999").status_code,
        lambda: live.get("/healthz").status_code,
        lambda: live.post("/api/v1/data", json={"key": "k", "value": [1]}).status_code,
        lambda: live.post("/api/v1/products", json={"name": 1}).status_code,
        lambda: live.get("/no/such/page").status_code,
    ]
    return lambda number: calls[number % len(calls)]()


def measure(live: Live) -> float:
    small = mixed(live)
    for number in range(200):  # what is loaded at first use
        small(number)
    live.call("large.get")
    worker = Worker(live)
    return max(
        worker.stage("5 MB answers", lambda _: live.call("large.get").status_code, 600, 200),
        worker.stage(
            "over-size answers", lambda _: live.call("oversize.get").status_code, 200, 502
        ),
        worker.stage("gzip bombs", lambda _: live.call("bomb.get").status_code, 120, 502),
        worker.stage("small calls", small, 20_000, None),
    )


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox() as box,
        Wire([LARGE] * 700) as large,
        Wire([OVERSIZE] * 300) as oversize,
        Wire([BOMB] * 200) as bomb,
    ):
        catalog = CATALOG.format(box=box.url, large=large.url, oversize=oversize.url, bomb=bomb.url)
        live = Live(Path(folder), catalog, gunicorn=CONF).start()
        try:
            grown = measure(live)
        finally:
            live.stop()
    print(f"the worker grew by {grown:.1f} MiB at most; {MAX_GROWTH_MIB} are allowed")
    return int(grown >= MAX_GROWTH_MIB)


if __name__ == "__main__":
    sys.exit(main())
