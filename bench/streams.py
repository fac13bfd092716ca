"""How much a worker grows while one large stream passes through it, or rests as a file."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import requests

from bench.process import MIB, MemoryWatch
from bench.report import BenchError, table
from bench.rounds import Options
from sandbox import Sandbox
from tests.e2e.calls.sink import Sink
from tests.e2e.live import Live

MAX_GROWTH_MIB = 16
STREAM_MIB = 1024
BOUNDARY = "XyZ"
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
    answer = requests.post(
        f"{live.url}/api/v1/call/sink/put",
        data=_pieces(megabytes),
        headers={"Authorization": f"Bearer {live.token()}"},
        timeout=600,
    )
    return int(answer.json()["data"]["size"])


def file_and_back(live: Live, megabytes: int) -> int:
    answer = requests.post(
        f"{live.url}/api/v1/files",
        data=_form(megabytes),
        headers={
            "Authorization": f"Bearer {live.token()}",
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        },
        timeout=600,
    )
    answer.raise_for_status()
    file_id = answer.json()["data"]["id"]
    with live.get(f"/api/v1/files/{file_id}", stream=True) as content:
        return sum(map(len, content.iter_content(MIB)))


WORKS: dict[str, Callable[[Live, int], int]] = {
    "down": download,
    "up": upload,
    "up into a file, and down": file_and_back,
}


def run(options: Options) -> str:
    megabytes = options.scaled(STREAM_MIB, 64)
    size = str((megabytes + 2) * MIB)
    with tempfile.TemporaryDirectory() as folder, Sandbox() as box, closing(Sink()) as sink:
        catalog = CATALOG.format(box=box.url, sink=sink.url)
        live = Live(Path(folder), catalog, MAX_UPLOAD=size, FILES_QUOTA=size).start()
        try:
            rows = [_measure(live, name, megabytes) for name in WORKS]
        finally:
            live.stop()
    head = [f"{megabytes:,} MiB", "MiB/s", "the worker before, MiB", "at most, MiB"]
    return table(head, rows)


def _measure(live: Live, name: str, megabytes: int) -> list[str]:
    """:raises BenchError: the worker grew too much."""
    WORKS[name](live, 1)  # what is loaded at first use
    [worker] = live.workers()
    began = time.perf_counter()
    with MemoryWatch(worker) as watch:
        passed = WORKS[name](live, megabytes)
    speed = megabytes / (time.perf_counter() - began)
    if passed != megabytes * MIB or watch.grown >= MAX_GROWTH_MIB:
        raise BenchError(f"{name}: {passed:,} bytes passed, the worker grew {watch.grown:.1f} MiB")
    return [name, f"{speed:.0f}", f"{watch.before:.1f}", f"{watch.peak:.1f}"]


def _pieces(megabytes: int) -> Iterator[bytes]:
    piece = bytes(range(256)) * (MIB // 256)
    for _ in range(megabytes):
        yield piece


def _form(megabytes: int) -> Iterator[bytes]:
    disposition = 'Content-Disposition: form-data; name="file"; filename="large"'
    yield f"--{BOUNDARY}\r\n{disposition}\r\n\r\n".encode()
    yield from _pieces(megabytes)
    yield f"\r\n--{BOUNDARY}--\r\n".encode()
