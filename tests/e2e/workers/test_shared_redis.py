"""Four workers and a real Redis: what one worker learns all know, and what callers see when Redis stops, hangs, returns."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from examples.clients.postern_auth import PosternAuth
from sandbox import Sandbox
from tests.e2e.live import AS_SHIPPED, Live, catalog_for, wait_for
from tests.redis_server import RedisServer

WORKERS = 4
REDIS_SECONDS = 0.3  # seconds that Redis may add to a request
NOISE = 0.7  # seconds that this machine may add: the load, the service, the vendor and Redis share its few cores
ODD = 0.1  # the share of requests in whose time some process stood still
REQUESTS = 400  # of one phase

Start = Callable[..., "Shared"]


class Shared(Live):
    """A live server of four workers, a Redis behind them and an app named shop."""

    def __init__(
        self,
        folder: Path,
        catalog: str,
        redis: RedisServer,
        gunicorn: tuple[str, ...],
        **settings: str,
    ) -> None:
        self.redis = redis
        more = {
            "REDIS_URL": redis.url,
            "WEB_CONCURRENCY": str(WORKERS),
            "DEFAULT_RATE_LIMIT": "1000000/minute",
        }
        super().__init__(folder, catalog, gunicorn=gunicorn, **{**more, **settings})

    def start(self) -> Shared:
        super().start()
        output = self.flask(
            "app", "create", "shop", "--allow", "demo.*", "--rate", "1000000/minute"
        )
        self.proof = PosternAuth("shop", re.search(r"[\w-]{43}", output.stdout)[0])
        return self

    def connections(self) -> list[requests.Session]:
        """One for each worker, kept open."""
        sessions: dict[int, requests.Session] = {}
        extra = []
        until = time.monotonic() + 60
        while len(sessions) < WORKERS:
            assert time.monotonic() < until, f"only {len(sessions)} workers take connections"
            session = requests.Session()
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self.token()}"
            with session.get(f"{self.url}/healthz", stream=True) as answer:
                port = answer.raw.connection.sock.getsockname()[1]
                worker = self._worker(port)
                assert answer.content
            if sessions.setdefault(worker, session) is not session:
                extra.append(session)  # kept open, so that the next one is taken by another worker
        for session in extra:
            session.close()
        return list(sessions.values())

    def _worker(self, port: int) -> int:
        """The process that holds the other end of a connection of ours."""
        ends = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        local, remote = f"{self.port:04X}", f"{port:04X}"
        inode = next(end[9] for end in ends if end[1][-4:] == local and end[2][-4:] == remote)
        for pid in self.workers():
            for file in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    if str(file.readlink()) == f"socket:[{inode}]":
                        return pid
                except FileNotFoundError:
                    continue
        raise AssertionError("no worker has it")


@pytest.fixture
def start_shared(box: Sandbox, tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def start(gunicorn: tuple[str, ...] = (), **settings: str) -> Shared:
            redis = RedisServer(tmp_path).start()
            stack.callback(redis.stop)
            shared = Shared(tmp_path, catalog_for(box), redis, gunicorn, **settings)
            stack.callback(shared.stop)
            return shared.start()

        yield start


def test_what_one_worker_learns_all_know(start_shared: Start) -> None:
    shared = start_shared()
    workers = shared.connections()
    path = f"{shared.url}/api/v1/call/demo/list_items"

    # A nonce
    signed = shared.proof(requests.Request("GET", path).prepare())
    for first in range(WORKERS):
        signed = shared.proof(requests.Request("GET", path).prepare())
        order = workers[first:] + workers[:first]
        assert [worker.send(signed).status_code for worker in order] == [200, 401, 401, 401]

    # A write
    products = f"{shared.url}/api/v1/products"
    for number, writer in enumerate(workers):
        name = f"Tea {number}"
        for reader in workers:
            reader.get(products)
        assert writer.post(products, json={"name": name, "price": 1}).status_code == 201
        for reader in workers:
            assert name in [item["name"] for item in reader.get(products).json()["data"]["items"]]

    # A logout
    assert workers[0].post(f"{shared.url}/api/v1/logout", json={}).status_code == 200
    assert [worker.get(products).status_code for worker in workers] == [401] * WORKERS


class Load:
    """Callers at work until the ``with`` ends: app-signed calls, bearer calls, reads of a list. What they see, by phase."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._bearer = {"Authorization": f"Bearer {shared.token()}"}
        self._stop = threading.Event()
        self.phase = "warm"
        self.seen: dict[str, dict[str, Counter[int]]] = {}
        self.seconds: dict[str, list[float]] = {}
        self.missed: dict[str, int] = {}  # how often a worker found no Redis

    def __enter__(self) -> Load:
        self._pool = ThreadPoolExecutor(2 * WORKERS)
        self._work = [self._pool.submit(self._call) for _ in range(2 * WORKERS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for future in self._work:
            future.result()
        self._pool.shutdown()

    def during(self, phase: str, act: Callable[[], object] = lambda: None) -> None:
        """Let them work on, from just before ``act``."""
        back = self._shared.log.count("store_back")
        self.phase = phase
        act()
        wait_for(lambda: len(self.seconds.get(phase, ())) >= REQUESTS)
        self.phase = "between"
        self.missed[phase] = self._shared.log.count("store_away") - back

    def statuses(self, *phases: str, kind: str = "") -> set[int]:
        return {
            each
            for phase in phases
            for name, seen in self.seen[phase].items()
            if kind in name
            for each in seen
        }

    def longest(self, phase: str) -> float:
        """Seconds that a request took, but for the odd one."""
        return sorted(self.seconds[phase])[int((1 - ODD) * len(self.seconds[phase]))]

    def report(self) -> str:
        lines = []
        for phase, kinds in self.seen.items():
            counts = ", ".join(
                f"{kind} {dict(sorted(seen.items()))}" for kind, seen in sorted(kinds.items())
            )
            lines.append(f"{phase:10} longest {self.longest(phase):.3f} s  {counts}")
        return "\n".join(lines)

    def _call(self) -> None:
        kinds: list[tuple[str, str, dict[str, Any]]] = [
            ("signed", "/call/demo/list_items", {"auth": self._shared.proof}),
            ("bearer", "/call/demo/list_items", {"headers": self._bearer}),
            ("read", "/products", {"headers": self._bearer}),
        ]
        with requests.Session() as session:
            session.trust_env = False
            while not self._stop.is_set():
                for kind, path, proof in kinds:
                    phase, began = self.phase, time.monotonic()
                    status = session.get(
                        f"{self._shared.url}/api/v1{path}", timeout=30, **proof
                    ).status_code
                    if phase != self.phase:
                        phase = "between"  # it began in one phase and ended in another
                    self.seen.setdefault(phase, {}).setdefault(kind, Counter())[status] += 1
                    self.seconds.setdefault(phase, []).append(time.monotonic() - began)


@pytest.mark.parametrize("redis_down", ["closed", "open"])
def test_redis_stopped_hung_and_restarted_during_load(start_shared: Start, redis_down: str) -> None:
    shared = start_shared(AS_SHIPPED, REDIS_DOWN=redis_down)
    redis, workers = shared.redis, shared.connections()

    def recovered() -> bool:
        answers = [worker.get(f"{shared.url}/readyz").json() for worker in workers]
        return all(answer["code"] == 0 and answer["data"]["cache"] == "ok" for answer in answers)

    def lose(how: Callable[[], None]) -> None:
        """Until each worker has looked for it."""
        how()
        for worker in workers:
            worker.get(f"{shared.url}/api/v1/products", timeout=30)

    with Load(shared) as load:
        load.during("warm")
        load.during("well")
        load.during("hung", lambda: lose(redis.pause))
        redis.resume()
        wait_for(recovered)
        load.during("resumed")
        load.during("stopped", lambda: lose(redis.kill))
        redis.start()
        wait_for(recovered)
        load.during("restarted")
    print(f"\nREDIS_DOWN={redis_down}\n{load.report()}")  # noqa: T201 # pytest -s, or -rP

    assert load.statuses(*load.seen) <= {200, 503}, load.report()
    for phase in ("well", "resumed", "restarted"):
        assert load.statuses(phase) == {200} or load.missed[phase], load.report()
    if redis_down == "open":
        assert load.statuses("hung", "stopped") == {200}
    else:
        for phase in ("hung", "stopped"):
            assert 503 in load.statuses(phase, kind="signed") & load.statuses(phase, kind="bearer")
    for phase in ("hung", "stopped", "resumed", "restarted"):
        assert load.longest(phase) <= load.longest("well") + REDIS_SECONDS + NOISE, load.report()
    for event in ("store_away", "store_back"):
        assert shared.log.count(event) >= 2 * WORKERS
    assert '"event":"unforeseen"' not in shared.log.replace(" ", "")
