"""One caller beside thousands who send a byte now and then: ``python -m bench.drippers``."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import requests

from sandbox import Sandbox
from tests.e2e.live import Live, catalog_for

DRIPPERS = 4200
PAUSE_SECONDS = 3.0  # between two bytes
SECONDS = 30
LOGIN = (
    b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/json\r\nContent-Length: 8000\r\n\r\n{"
)


async def drip(port: int, opened: multiprocessing.Value) -> None:
    """Send one endless login after another, each on a connection of its own."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        opened.value += 1
        try:
            writer.write(LOGIN)
            while not reader.at_eof():
                await asyncio.sleep(PAUSE_SECONDS)
                writer.write(b" ")
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()


async def crowd(port: int, drippers: int, opened: multiprocessing.Value) -> None:
    await asyncio.gather(*(drip(port, opened) for _ in range(drippers)))


def be_crowd(port: int, drippers: int, opened: multiprocessing.Value) -> None:
    asyncio.run(crowd(port, drippers, opened))


def calls(url: str, token: str, seconds: float) -> list[float]:
    """Ask on a new connection each time; return how many seconds each call took.

    :raises requests.RequestException: one was not answered within ten seconds.
    """
    latencies = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        headers = {"Authorization": f"Bearer {token}"}
        requests.get(f"{url}/api/v1/user/profile", headers=headers, timeout=10).raise_for_status()
        latencies.append(time.perf_counter() - began)
        time.sleep(0.05)
    return latencies


def report(what: str, latencies: list[float]) -> None:
    milliseconds = [seconds * 1000 for seconds in latencies]
    median = statistics.median(milliseconds)
    slowest = max(milliseconds)
    p99 = statistics.quantiles(milliseconds, n=100)[98]
    print(
        f"{what}: {len(latencies)} calls, median {median:.0f} ms, p99 {p99:.0f} ms, slowest "
        f"{slowest:.0f} ms"
    )


def main() -> int:
    drippers = int(sys.argv[1]) if len(sys.argv) > 1 else DRIPPERS
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened = multiprocessing.Value("i", 0)
    with tempfile.TemporaryDirectory() as folder, Sandbox() as box:
        live = Live(Path(folder), catalog_for(box)).start()
        strangers = multiprocessing.Process(
            target=be_crowd, args=(live.port, drippers, opened), daemon=True
        )
        try:
            token = live.token()
            report("alone", calls(live.url, token, SECONDS / 3))
            strangers.start()
            latencies = calls(live.url, token, SECONDS)
        finally:
            strangers.kill()
            live.stop()
    report(f"beside {drippers} drippers, who opened {opened.value} connections", latencies)
    return 0


if __name__ == "__main__":
    sys.exit(main())
