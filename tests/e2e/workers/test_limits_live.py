"""Limits through gunicorn with 4 workers and a real Redis: exact, whichever worker answers."""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from examples.clients.postern_auth import PosternAuth
from sandbox import Sandbox
from tests.e2e.live import Live, wait_for
from tests.held_vendor import HeldVendor
from tests.redis_server import RedisServer

N = 20
DEADLINE_SECONDS = 60  # of a call that is held; far longer than new workers need on a busy machine
CATALOG = """
version: 1
defaults: {{retry: {{times: 0}}, timeout: {{connect: 60, read: 60}}, deadline: {deadline}}}
services:
  free: {{base_url: "{url}", allow_private: true, methods: {{m: {{http: GET /anything}}}}}}
  quota: {{base_url: "{url}", allow_private: true, rate_limit: 20/minute, methods: {{m: {{http: GET /anything}}, n: {{http: GET /items}}}}}}
  patient: {{base_url: "{url}", allow_private: true, rate_limit: 20/second, on_limit: wait, methods: {{m: {{http: GET /anything}}}}}}
  narrow: {{base_url: "{held}", allow_private: true, concurrency: 5, methods: {{m: {{http: GET /}}}}}}
  brisk: {{base_url: "{url}", allow_private: true, concurrency: 5, methods: {{m: {{http: GET /anything}}}}}}
  single: {{base_url: "{url}", allow_private: true, concurrency: 1, methods: {{m: {{http: GET /v1/health}}}}}}
"""


@pytest.fixture(scope="module")
def vendor() -> Iterator[HeldVendor]:
    with HeldVendor() as running:
        yield running


@pytest.fixture(scope="module")
def live(
    box: Sandbox,
    vendor: HeldVendor,
    one_redis_server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("limits")
    url = one_redis_server.fresh().url
    service = Live(
        folder,
        CATALOG.format(url=box.url, held=vendor.url, deadline=DEADLINE_SECONDS),
        REDIS_URL=url,
        WEB_CONCURRENCY="4",
    )
    try:
        yield service.start()
    finally:
        service.stop()


def at_once(live: Live, paths: list[str], **options: Any) -> list[requests.Response]:
    """So many calls in parallel, each over a connection of its own."""
    options.setdefault("headers", {"Authorization": f"Bearer {live.token()}"})
    with ThreadPoolExecutor(24) as pool:
        return list(pool.map(lambda path: call(live, path, **options), paths))


def call(live: Live, path: str, **options: Any) -> requests.Response:
    return requests.get(f"{live.url}/api/v1/call/{path}", timeout=60, **options)


@pytest.fixture(autouse=True)
def _unused(live: Live, box: Sandbox, one_redis_server: RedisServer) -> None:
    """Limits and vendor, as if nobody had called yet."""
    one_redis_server.client.flushall()
    box.reset()


def codes(answers: list[requests.Response]) -> Counter[int]:
    return Counter(answer.json()["code"] for answer in answers)


def test_of_three_times_its_limit_a_caller_gets_exactly_its_limit(live: Live, box: Sandbox) -> None:
    output = live.flask("app", "create", "shop", "--allow", "free", "--rate", f"{N}/minute")
    auth = PosternAuth("shop", re.search(r"^secret: (\S{43})$", output.stdout, re.M)[1])

    answers = at_once(live, ["free/m"] * (3 * N), headers={}, auth=auth)

    assert codes(answers) == {0: N, -3008: 2 * N}
    assert len(box.requests) == N
    remaining = sorted(
        int(answer.headers["RateLimit-Remaining"]) for answer in answers if answer.ok
    )
    assert remaining == list(range(N))
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in answers if not answer.ok)


def test_of_three_times_a_vendors_quota_exactly_the_quota_is_sent(live: Live, box: Sandbox) -> None:
    answers = at_once(live, ["quota/m", "quota/n", "quota/m"] * N)

    assert codes(answers) == {0: N, -1009: 2 * N}
    assert len(box.requests) == N


def test_calls_that_wait_for_their_turn_all_get_one(live: Live) -> None:
    began = time.monotonic()
    answers = at_once(live, ["patient/m"] * (3 * N))

    assert codes(answers) == {0: 3 * N}
    assert time.monotonic() - began >= 2


def test_never_more_at_once_than_the_cap(live: Live, box: Sandbox, vendor: HeldVendor) -> None:
    headers = {"Authorization": f"Bearer {live.token()}"}
    with ThreadPoolExecutor(60) as pool:
        calls = [pool.submit(call, live, "narrow/m", headers=headers) for _ in range(60)]
        try:
            wait_for(lambda: sum(each.done() for each in calls) == 55)
            wait_for(lambda: vendor.requests == 5)
        finally:
            vendor.release.set()
    assert codes([each.result() for each in calls]) == {0: 5, -1010: 55}
    assert vendor.requests == 5

    box.fault("/anything", "delay=0.05")  # places come free while others ask
    assert set(codes(at_once(live, ["brisk/m"] * 60))) <= {0, -1010}
    assert 1 <= box.most_at_once <= 5


def test_a_killed_workers_place_comes_free_by_itself(
    live: Live, box: Sandbox, one_redis_server: RedisServer
) -> None:
    box.fault("/v1/health", "hang", times=1)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(at_once, live, ["single/m"])
        wait_for(lambda: box.requests)
        for worker in live.workers():
            os.kill(worker, signal.SIGKILL)
            with suppress(TimeoutError):
                assert isinstance(hanging.exception(0.5), requests.ConnectionError)
                break
    wait_for(live._answers)

    assert live.call("single.m").json()["code"] == -1010
    one_redis_server.pass_time(2 * DEADLINE_SECONDS)
    assert wait_for(lambda: live.call("single.m").ok)
