"""A thousand identical reads at once, with nothing kept yet: the service sees one of them."""

from __future__ import annotations

import resource
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.e2e.live import Live, wait_for
from tests.redis_server import RedisServer

READS = 1000
CATALOG = """
version: 1
defaults: {{timeout: {{connect: 40, read: 40}}, deadline: 50}}
services:
  demo:
    base_url: {url}
    allow_private: true
    methods:
      read: {{http: GET /anything/read, params: {{n: {{type: integer}}}}, cache: {{ttl: 600, stale_if_error: 600}}}}
      steady: {{http: GET /anything/steady, fallback: {{call: demo.read}}}}
"""


@contextmanager
def serving(folder: Path, box: Sandbox, **settings: str) -> Iterator[Live]:
    live = Live(
        folder, CATALOG.format(url=box.url), DEFAULT_RATE_LIMIT="1000000/minute", **settings
    )
    try:
        yield live.start()
    finally:
        live.stop()


def at_once(live: Live, path: str, times: int) -> list[tuple[str, dict[str, str], bytes]]:
    """Status line, headers and body of each; all are sent before the first answer is read."""
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {live.token()}\r\n\r\n"
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection(("127.0.0.1", live.port), 60))
            for _ in range(times)
        ]
        for sock in sockets:
            sock.sendall(head.encode())
        return [_answer(sock) for sock in sockets]


def _answer(sock: socket.socket) -> tuple[str, dict[str, str], bytes]:
    answer = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), body


@pytest.fixture(autouse=True)
def _many_sockets() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * READS)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.alone
@pytest.mark.parametrize("workers", [1, 4])
def test_of_a_thousand_identical_reads_at_once_the_service_sees_one(
    request: pytest.FixtureRequest, tmp_path: Path, box: Sandbox, workers: int
) -> None:
    shared = {}
    if workers > 1:
        redis: RedisServer = request.getfixturevalue("redis_server")
        shared = {"REDIS_URL": redis.url, "WEB_CONCURRENCY": str(workers)}
    with serving(tmp_path, box, **shared) as live:
        box.reset()
        box.fault("/anything/read", "delay=1")
        answers = at_once(live, "/api/v1/call/demo/read?n=5", READS)

    assert Counter(status for status, _, _ in answers) == {"HTTP/1.1 200 OK": READS}
    assert Counter((headers["X-Cache"], headers["X-Attempts"]) for _, headers, _ in answers) == {
        ("MISS", "1"): 1, ("HIT", "0"): READS - 1,
    }  # fmt: skip
    assert len(box.requests) == 1


def test_what_was_kept_serves_until_it_is_cleared_for_all_workers(
    tmp_path: Path, box: Sandbox, redis_server: RedisServer
) -> None:
    with serving(tmp_path, box, REDIS_URL=redis_server.url, WEB_CONCURRENCY="2") as live:
        box.reset()
        live.call("demo.read")
        assert {live.call("demo.read").headers["X-Cache"] for _ in range(4)} == {"HIT"}
        assert "cleared demo.read" in live.flask("cache", "clear", "demo.read").stdout
        assert wait_for(lambda: live.call("demo.read").headers["X-Cache"] == "MISS")

        box.fault("/anything/steady", "status=503")
        stood_in = live.call("demo.steady")
        assert (stood_in.status_code, stood_in.headers["X-Fallback"]) == (200, "demo.read")
        assert "X-Cache" not in stood_in.headers


def test_without_redis_no_command_pretends_to_clear_what_the_server_keeps(
    tmp_path: Path, box: Sandbox
) -> None:
    live = Live(tmp_path, CATALOG.format(url=box.url))
    assert (
        "restart the server, or set REDIS_URL"
        in live.flask("cache", "clear", "demo", ok=False).stderr
    )
    assert (
        "there is no service nope; there are: demo"
        in live.flask("cache", "clear", "nope", ok=False).stderr
    )
    assert (
        "There is no method demo.nope."
        in live.flask("cache", "clear", "demo.nope", ok=False).stderr
    )
