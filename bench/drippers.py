"""One caller beside thousands who send a byte now and then."""

import asyncio
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import requests

from bench.report import spread, table
from bench.rounds import Options
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


def run(options: Options) -> str:
    drippers = options.scaled(DRIPPERS, 400)
    seconds = options.scaled(SECONDS, 6)
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
            alone = calls(live.url, token, seconds / 3)
            strangers.start()
            beside = calls(live.url, token, seconds)
        finally:
            if strangers.pid:
                strangers.kill()
            live.stop()
    rows = [_row("alone", alone), _row(f"beside {drippers:,} drippers", beside)]
    head = ["a caller on new connections", "calls", "ms, median (least-most)"]
    return f"{table(head, rows)}\n\nThe drippers opened {opened.value:,} connections."


def _row(what: str, latencies: list[float]) -> list[str]:
    return [what, str(len(latencies)), spread([seconds * 1000 for seconds in latencies])]
