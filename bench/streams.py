"""A worker's growth during a large download and upload: ``python -m bench.streams [MiB]``."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import requests

from bench.upload_memory import MAX_GROWTH_MIB, MIB, resident
from sandbox import Sandbox
from tests.e2e.live import Live
from tests.e2e.sink import Sink

CATALOG = """
version: 1
services:
  large:
    base_url: {box}
    allow_private: true
    methods:
      get: {{http: "GET /fault/{{fault}}/x", stream: true, params: {{fault: {{type: string}}}}}}
  sink:
    base_url: {sink}
    allow_private: true
    methods: {{put: {{http: POST /, stream: true, body: raw}}}}
"""


def download(live: Live, megabytes: int) -> int:
    with live.call("large.get", {"fault": f"huge={megabytes * MIB}"}, stream=True) as answer:
        return sum(map(len, answer.iter_content(MIB)))


def upload(live: Live, megabytes: int) -> int:
    pieces = (b"x" * MIB for _ in range(megabytes))
    headers = {"Authorization": f"Bearer {live.token()}"}
    answer = requests.post(
        f"{live.url}/api/v1/call/sink/put", data=pieces, headers=headers, timeout=600
    )
    return int(answer.json()["data"]["size"])


def measure(live: Live, work: Callable[[Live, int], int], megabytes: int) -> float:
    work(live, 1)  # what is loaded at first use
    master = live.process.pid
    [worker] = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    before = resident(int(worker))
    peak = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, resident(int(worker)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    passed = work(live, megabytes)
    seconds = time.perf_counter() - began
    done.set()
    watcher.join()
    assert passed == megabytes * MIB
    speed = megabytes / seconds
    print(
        f"{work.__name__} of {megabytes} MiB at {speed:.0f} MiB/s: {before:.1f} MiB before, "
        f"{peak:.1f} at most"
    )
    return peak - before


def main() -> int:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    sink = Sink()
    with tempfile.TemporaryDirectory() as folder, Sandbox() as box:
        catalog = CATALOG.format(box=box.url, sink=sink.url)
        live = Live(Path(folder), catalog, MAX_UPLOAD=str((megabytes + 1) * MIB)).start()
        try:
            grown = max(measure(live, work, megabytes) for work in (download, upload))
        finally:
            live.stop()
    print(f"the worker grew by {grown:.1f} MiB; {MAX_GROWTH_MIB} are allowed")
    return int(grown >= MAX_GROWTH_MIB)


if __name__ == "__main__":
    sys.exit(main())
