"""Two instances behind nginx are restarted one after the other, while callers go on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.front.nginx import Nginx
from tests.e2e.live import Live, catalog_for, wait_for
from tests.redis_server import RedisServer

CALLERS = 10
REQUESTS_PER_SECOND = 100
ANSWERS_BETWEEN_RESTARTS = 100

pytestmark = pytest.mark.skipif(
    os.environ.get("POSTERN_TEST_NGINX") == "no", reason="POSTERN_TEST_NGINX=no"
)


class Callers:
    """Ask nginx at a steady rate, half of it reads and half calls that must not be sent twice."""

    def __init__(self, url: str, token: str) -> None:
        self.statuses: Counter[object] = Counter()
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(CALLERS)
        ]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def go_on(self) -> None:
        """Wait until the service has answered some more."""
        enough = self.statuses.total() + ANSWERS_BETWEEN_RESTARTS
        wait_for(lambda: self.statuses.total() >= enough)

    def _run(self, number: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers.update(self._headers)
            due = time.monotonic() + number / REQUESTS_PER_SECOND
            while not self._over.wait(max(0.0, due - time.monotonic())):
                due += CALLERS / REQUESTS_PER_SECOND
                self.statuses[self._ask(session, number)] += 1

    def _ask(self, session: requests.Session, number: int) -> object:
        try:
            if number % 2:
                return session.get(f"{self._url}/api/v1/products", timeout=30).status_code
            call = f"{self._url}/api/v1/call/demo/create_item"
            return session.post(call, json={"name": "tea"}, timeout=30).status_code
        except requests.RequestException as error:
            return type(error).__name__


@pytest.fixture
def instances(
    box: Sandbox, database: Callable[..., dict[str, str]], tmp_path: Path
) -> Iterator[list[Live]]:
    with ExitStack() as stack:
        redis = RedisServer(tmp_path).start()
        stack.callback(redis.kill)
        shared: dict[str, Any] = {
            **database("postgresql"),
            "REDIS_URL": redis.url,
            "TRUSTED_PROXIES": "1",
        }
        started = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            live = Live(tmp_path / name, catalog_for(box), **shared)
            stack.callback(live.stop)
            started.append(live.restart() if started else live.start())
        yield started


def test_nobody_notices_that_one_instance_after_the_other_is_restarted(
    instances: list[Live], tmp_path: Path
) -> None:
    (tmp_path / "nginx").mkdir()
    nginx = Nginx(
        tmp_path / "nginx", *(live.port for live in instances), files=str(tmp_path)
    ).start()
    try:
        with Callers(nginx.url, instances[0].token()) as callers:
            for live in instances:
                callers.go_on()
                live.stop(signal.SIGTERM)
                live.restart()
            callers.go_on()
    finally:
        nginx.stop()

    assert set(callers.statuses) == {200}, callers.statuses
