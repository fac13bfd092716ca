"""PostgreSQL ends connections, stops, freezes and comes back while a live server is under load."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest
import requests

from tests.conftest import DATABASES
from tests.e2e.live import Live, wait_for
from tests.postgres import PostgresError, Server

CALLERS = 8
BOUND = 15  # seconds: connect 3, a connection of the pool 3, a server that has stopped answering 5; and a busy machine

pytestmark = pytest.mark.skipif(
    "postgresql" not in DATABASES, reason="POSTERN_TEST_DATABASES leaves PostgreSQL out"
)


class Load:
    """Callers that read and write without a pause, and what they were told since ``forget``."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._ended = threading.Event()
        self._numbers = itertools.count()
        self._threads = [threading.Thread(target=self._run) for _ in range(CALLERS)]
        self.forget()

    def forget(self) -> None:
        self.seen: Counter[int] = Counter()
        self.longest = 0.0
        self.odd: list[str] = []

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            wait_for(lambda: self.seen[201] > CALLERS)
            yield self
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()

    def check(self) -> None:
        """Nobody was told anything but 503, or kept waiting."""
        assert set(self.seen) <= {200, 201, 503}
        assert self.longest < BOUND
        assert not self.odd, self.odd[:3]

    def works_again(self) -> None:
        """Wait until nothing but successes comes."""

        def well() -> bool:
            self.forget()
            wait_for(lambda: self.seen.total() > 3 * CALLERS)
            return set(self.seen) <= {200, 201}

        wait_for(well)

    def _run(self) -> None:
        path, options = (
            f"{self._live.url}/api/v1/data",
            {"headers": {"Authorization": f"Bearer {self._live.token()}"}},
        )
        with requests.Session() as session:
            session.trust_env = False
            while not self._ended.is_set():
                body = {"key": f"k{next(self._numbers)}", "value": 1}
                self._ask(partial(session.post, path, json=body, timeout=60, **options))
                self._ask(partial(session.get, f"{path}?limit=1", timeout=60, **options))

    def _ask(self, way: Callable[[], requests.Response]) -> None:
        began = time.monotonic()
        try:
            answer = way()
        except requests.RequestException as error:
            self.odd.append(repr(error))
            return
        self.longest = max(self.longest, time.monotonic() - began)
        self.seen[answer.status_code] += 1
        if answer.status_code == 503:
            body = answer.json()
            if (body["code"], body["error"]["source"], answer.headers["Retry-After"]) != (
                -5001,
                "gateway",
                "1",
            ):
                self.odd.append(answer.text)
        elif answer.status_code not in (200, 201):
            self.odd.append(answer.text)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One of its own: everybody else's stays up."""
    folder = Path(
        tempfile.mkdtemp(prefix="postern-outage-")
    )  # not pytest's, which another user cannot enter
    try:
        with Server(folder) as running:
            yield running
    except PostgresError as error:
        pytest.fail(str(error), pytrace=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def live(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE postern")
    folder = tmp_path_factory.mktemp("outage")
    service = Live(folder, "version: 1\nservices: {}\n", DATABASE_URL=server.url("postern"))
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture
def load(live: Live) -> Iterator[Load]:
    live.token()
    with Load(live).running() as load:
        yield load
        assert not load.odd, load.odd[:3]
        assert '"event":"unforeseen"' not in live.log and "Traceback" not in live.log


def test_ended_connections_are_replaced_and_nobody_sees_a_500(server: Server, load: Load) -> None:
    for _ in range(5):
        load.forget()
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            ended = admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'postern'"
            ).fetchall()
        assert ended
        wait_for(lambda: load.seen.total() > CALLERS)
        load.check()
        load.works_again()


def test_while_postgresql_is_stopped_the_answer_is_503_and_then_all_is_well(
    server: Server, live: Live, load: Load
) -> None:
    load.forget()
    server.stop()
    try:
        wait_for(lambda: load.seen[503] > 5 * CALLERS)
        assert live.get("/healthz").status_code == 200
        assert live.get("/readyz").status_code == 503
    finally:
        server.start()

    load.check()
    load.works_again()
    assert live.get("/readyz").status_code == 200


def test_a_frozen_postgresql_is_503_within_seconds_and_then_all_is_well(
    server: Server, live: Live, load: Load
) -> None:
    with _frozen(server):
        load.forget()
        wait_for(lambda: load.seen[503] > 2 * CALLERS)
        assert live.get("/healthz").elapsed.total_seconds() < 2

    load.check()
    load.works_again()


@contextmanager
def _frozen(server: Server) -> Iterator[None]:
    """Every process of the server stands still, the ones that accept connections included."""
    master = server.process.pid
    with ExitStack() as stack:
        for pid in (
            master,
            *map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split()),
        ):
            stack.callback(_wake, pid)
            os.kill(pid, signal.SIGSTOP)
        yield


def _wake(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
