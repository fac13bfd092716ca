"""A worker's growth during one large upload: ``python -m bench.upload_memory [megabytes]``."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import requests

from tests.e2e.live import Live

MAX_GROWTH_MIB = 16
BOUNDARY = "XyZ"
MIB = 1024 * 1024


def body(megabytes: int) -> Iterator[bytes]:
    disposition = 'Content-Disposition: form-data; name="file"; filename="large"'
    yield f"--{BOUNDARY}\r\n{disposition}\r\n\r\n".encode()
    piece = bytes(range(256)) * (MIB // 256)
    for _ in range(megabytes):
        yield piece
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def resident(process: int) -> float:
    """MiB of a process now."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(process)


def measure(live: Live, megabytes: int) -> float:
    headers = {
        "Authorization": f"Bearer {live.token()}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
    }
    live.post(
        "/api/v1/files", files={"file": ("small", b"x")}
    ).raise_for_status()  # what is loaded at first use
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
    answer = requests.post(
        f"{live.url}/api/v1/files", data=body(megabytes), headers=headers, timeout=600
    )
    seconds = time.perf_counter() - began
    with live.get(f"/api/v1/files/{answer.json()['data']['id']}", stream=True) as download:
        read = sum(map(len, download.iter_content(MIB)))
    done.set()
    watcher.join()
    assert (answer.status_code, read) == (201, megabytes * MIB), answer.text
    print(
        f"{megabytes} MiB at {megabytes / seconds:.0f} MiB/s and back: {before:.1f} MiB before, "
        f"{peak:.1f} at most"
    )
    return peak - before


def main() -> int:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 2048
    with tempfile.TemporaryDirectory() as folder:
        size = str((megabytes + 1) * MIB)
        live = Live(
            Path(folder), "version: 1\nservices: {}\n", MAX_UPLOAD=size, FILES_QUOTA=size
        ).start()
        try:
            grown = measure(live, megabytes)
        finally:
            live.stop()
    print(f"the worker grew by {grown:.1f} MiB; {MAX_GROWTH_MIB} are allowed")
    return int(grown >= MAX_GROWTH_MIB)


if __name__ == "__main__":
    sys.exit(main())
