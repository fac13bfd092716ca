"""What a worker keeps of what it read, without a garbage collector."""

import gzip
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.process import MIB, resident_mib
from bench.report import BenchError, table
from bench.rounds import Options
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


def run(options: Options) -> str:
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
            rows = _measure(live, options)
        finally:
            live.stop()
    return table(["what one worker has answered", "requests", "grown by, MiB"], rows)


def _measure(live: Live, options: Options) -> list[list[str]]:
    small = mixed(live)
    for number in range(200):  # what is loaded at first use
        small(number)
    live.call("large.get")
    before = resident_mib(*live.workers())
    stages: list[tuple[str, Callable[[int], int], int, int | None]] = [
        ("answers of 5 MB", lambda _: live.call("large.get").status_code, 600, 200),
        ("over-size answers", lambda _: live.call("oversize.get").status_code, 200, 502),
        ("gzip bombs of 1 GiB", lambda _: live.call("bomb.get").status_code, 120, 502),
        ("small calls of ten kinds", small, 20_000, None),
    ]
    rows = []
    for name, call, count, status in stages:
        requests = options.scaled(count, count // 20)
        _send(call, requests, status)
        grown = resident_mib(*live.workers()) - before
        if grown >= MAX_GROWTH_MIB:
            raise BenchError(f"after {name} the worker has grown by {grown:.1f} MiB")
        rows.append([name, f"{requests:,}", f"{grown:.1f}"])
    return rows


def _send(call: Callable[[int], int], requests: int, status: int | None) -> None:
    """:raises BenchError: an answer's status is another one."""
    with ThreadPoolExecutor(CALLERS) as callers:
        statuses = set(callers.map(call, range(requests)))
    if status is not None and statuses != {status}:
        raise BenchError(f"answers of {sorted(statuses)} instead of {status}")
