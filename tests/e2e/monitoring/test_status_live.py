"""What only real workers show: the console's numbers over all four of them, and headers that gunicorn writes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from api.http.security import SECURITY_HEADERS
from sandbox import Sandbox
from tests.e2e.live import Live, wait_for
from tests.redis_server import RedisServer

CALLS = 80
CATALOG = """
version: 1
defaults: {{timeout: {{connect: 20, read: 20}}, deadline: 25, retry: {{times: 0}}}}
services:
  s:
    base_url: "{url}"
    allow_private: true
    breaker: {{min_calls: 10000}}
    methods: {{good: {{http: GET /anything}}, bad: {{http: GET /status/500}}}}
"""


@pytest.fixture(scope="module")
def live(
    box: Sandbox, one_redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("status")
    redis = one_redis_server.fresh()
    service = Live(folder, CATALOG.format(url=box.url), REDIS_URL=redis.url, WEB_CONCURRENCY="4")
    try:
        yield service.start()
    finally:
        service.stop()


def test_any_worker_tells_the_calls_of_all_four_exactly_and_within_seconds(live: Live) -> None:
    headers = {"Authorization": f"Bearer {live.token()}"}

    def call(number: int) -> int:
        """Over a connection of its own, so that all workers have some."""
        method = "bad" if number % 4 == 0 else "good"
        return requests.get(
            f"{live.url}/api/v1/call/s/{method}", headers=headers, timeout=30
        ).status_code

    def status(_: int = 0) -> dict[str, int]:
        answer = requests.get(f"{live.url}/api/v1/status", headers=headers, timeout=30).json()[
            "data"
        ]
        assert (
            answer["faults"]["none"] + answer["faults"]["downstream"]
            == answer["services"][0]["calls"]
        )
        return dict(answer["faults"])

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(call, range(CALLS))) == [200] * (CALLS * 3 // 4) + [502] * (
            CALLS // 4
        )
        exact = dict.fromkeys(("caller", "gateway", "rejected"), 0)
        exact |= {"none": CALLS * 3 // 4, "downstream": CALLS // 4}
        assert wait_for(lambda: all(services == exact for services in pool.map(status, range(16))))


def test_the_server_tells_no_version_and_its_own_answers_have_the_headers_too(live: Live) -> None:
    answer = live.session.get(f"{live.url}/healthz")
    assert answer.headers["Server"] == "gunicorn"
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall(b"GARBAGE\r\n\r\n")
        raw = b"".join(iter(lambda: client.recv(65536), b""))
    for name, value in SECURITY_HEADERS:
        assert answer.headers[name] == value
        assert f"\r\n{name}: {value}\r\n".encode() in raw
