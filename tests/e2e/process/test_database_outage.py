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
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
import requests

from tests.conftest import DATABASES
from tests.e2e.live import AS_SHIPPED, Live, children_of, wait_for
from tests.postgres import PostgresError, Server

CALLERS = 8
# Connect 3, a connection of the pool 3, a server that has stopped answering 5; and a machine so busy that processes
# stand still for seconds.
MAX_WAIT_SECONDS = 40
#: Code and Retry-After of every 503. A write whose COMMIT was cut off says no time: to send it again could do it twice.
UNAVAILABLE = (-5001, "1")
WRITE_UNKNOWN = (-5002, None)

pytestmark = [
    pytest.mark.skipif(
        "postgresql" not in DATABASES, reason="POSTERN_TEST_DATABASES leaves PostgreSQL out"
    ),
    # A caller's thread that dies fails the test.
    pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning"),
]


class Load:
    """Callers that read and write without a pause, and the answers they got since ``reset``."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._stop = threading.Event()
        self._numbers = itertools.count()
        self._threads = [threading.Thread(target=self._run) for _ in range(CALLERS)]
        self.reset()

    def reset(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.max_seconds = 0.0
        self.problems: list[str] = []

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            wait_for(lambda: self.statuses[201] > CALLERS)
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def check(self) -> None:
        """Nobody got anything but successes and 503, or waited too long."""
        assert set(self.statuses) <= {200, 201, 503}
        assert self.max_seconds < MAX_WAIT_SECONDS
        assert not self.problems, self.problems[:3]

    def wait_until_well(self) -> None:
        """Wait until nothing but successes comes."""

        def is_well() -> bool:
            self.reset()
            wait_for(lambda: self.statuses.total() > 3 * CALLERS)
            return set(self.statuses) <= {200, 201}

        wait_for(is_well)

    def _run(self) -> None:
        url = f"{self._live.url}/api/v1/data"
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self._live.token()}"
            while not self._stop.is_set():
                body = {"key": f"k{next(self._numbers)}", "value": 1}
                self._send(partial(session.post, url, json=body, timeout=60), writes=True)
                self._send(partial(session.get, f"{url}?limit=1", timeout=60), writes=False)

    def _send(self, send: Callable[[], requests.Response], *, writes: bool) -> None:
        began = time.monotonic()
        try:
            response = send()
        except requests.RequestException as error:
            self.problems.append(repr(error))
            return
        self.max_seconds = max(self.max_seconds, time.monotonic() - began)
        self.statuses[response.status_code] += 1
        if response.status_code not in (200, 201) and not _is_expected(response, writes):
            self.problems.append(f"{response.status_code} {response.headers} {response.text}")


def _is_expected(response: requests.Response, writes: bool) -> bool:
    """Whether it is a 503 of the contract's: of a read, always one that says when to come again."""
    body = response.json()
    failure = body["code"], response.headers.get("Retry-After")
    expected = {UNAVAILABLE, WRITE_UNKNOWN} if writes else {UNAVAILABLE}
    return (
        response.status_code == 503 and body["error"]["source"] == "gateway" and failure in expected
    )


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
    service = Live(
        folder,
        "version: 1\nservices: {}\n",
        gunicorn=AS_SHIPPED,
        DATABASE_URL=server.url("postern"),
    )
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture
def load(live: Live) -> Iterator[Load]:
    live.token()
    with Load(live).running() as load:
        yield load
        assert not load.problems, load.problems[:3]
        assert '"event":"unforeseen"' not in live.log and "Traceback" not in live.log


def test_ended_connections_are_replaced_and_nobody_sees_a_500(server: Server, load: Load) -> None:
    for _ in range(5):
        load.reset()
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            terminated = admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'postern'"
            ).fetchall()
        assert terminated
        wait_for(lambda: load.statuses.total() > CALLERS)
        load.check()
        load.wait_until_well()


def test_while_postgresql_is_stopped_the_answer_is_503_and_then_all_is_well(
    server: Server, live: Live, load: Load
) -> None:
    load.reset()
    server.stop()
    try:
        wait_for(lambda: load.statuses[503] > 5 * CALLERS)
        assert live.get("/healthz").status_code == 200
        assert live.get("/readyz").status_code == 503
    finally:
        server.start()

    load.check()
    load.wait_until_well()
    assert live.get("/readyz").status_code == 200


def test_a_frozen_postgresql_is_503_within_seconds_and_then_all_is_well(
    server: Server, live: Live, load: Load
) -> None:
    with _frozen(server):
        load.reset()
        wait_for(lambda: load.statuses[503] > 2 * CALLERS)
        assert live.get("/healthz").status_code == 200

    load.check()
    load.wait_until_well()


@contextmanager
def _frozen(server: Server) -> Iterator[None]:
    """Every process of the server stands still, the ones that accept connections included."""
    master = server.process.pid
    with ExitStack() as stack:
        stack.callback(os.kill, master, signal.SIGCONT)
        os.kill(master, signal.SIGSTOP)  # first: from now on its children stay the same
        for pid in children_of(master):
            stack.callback(os.kill, pid, signal.SIGCONT)
            os.kill(pid, signal.SIGSTOP)
        yield
