"""What workers share over a real Redis: one vendor token, and what a killed worker leaves under an Idempotency-Key."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.live import Live, catalog_for, wait_for
from tests.ports import free_port
from tests.redis_server import RedisServer

CHARGES = """
version: 1
defaults: {{deadline: {deadline}, timeout: {{read: {deadline}}}, retry: {{times: 0}}}}
services:
  pay:
    base_url: {url}
    allow_private: true
    methods:
      once: &charge
        http: POST /payments
        params: {{order_id: {{type: integer}}, amount: {{type: string}}}}
      honoured: {{<<: *charge, idempotency_header: Idempotency-Key}}
"""
DEADLINE_SECONDS = 60  # far longer than a worker's end takes on a busy machine
CHARGE = {"order_id": 1, "amount": "4.50"}
KEY = {"Idempotency-Key": "my-key"}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture
def serve(tmp_path: Path, redis_server: RedisServer) -> Iterator[Callable[..., Live]]:
    with ExitStack() as stack:

        def make(catalog: str, workers: int) -> Live:
            live = Live(tmp_path, catalog, REDIS_URL=redis_server.url, WEB_CONCURRENCY=str(workers))
            stack.callback(live.stop)
            return live.start()

        yield make


def killed_while_the_service_works(
    live: Live, box: Sandbox, redis: RedisServer, method: str
) -> None:
    """The worker is gone between sending and recording, another has taken its place, and its lease has ended."""
    box.fault("/payments", "drip=9", times=1)  # it acts at once; its answer takes minutes
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(live.call, f"pay.{method}", CHARGE, headers=KEY)
        assert wait_for(lambda: box.requests)
        [worker] = live.workers()
        os.kill(worker, signal.SIGKILL)
        assert isinstance(lost.exception(30), requests.ConnectionError)
    assert wait_for(lambda: live.workers() not in ([], [worker]))
    redis.pass_time(2 * DEADLINE_SECONDS)


def answer_in_the_end(live: Live, method: str) -> Any:
    """To the same call under the same key, once the dead worker's lease has ended."""

    def ask() -> list[Any]:
        answer = live.call(f"pay.{method}", CHARGE, headers=KEY)
        return [] if "being worked on" in answer.text else [answer]

    return wait_for(ask)[0]


def test_the_first_calls_on_four_workers_fetch_one_token(
    serve: Callable[..., Live], box: Sandbox
) -> None:
    live = serve(catalog_for(box), 4)
    token = live.token()
    box.fault("/cgi-bin/token", "delay=0.3")

    def warm(_: int) -> int:
        return requests.get(
            f"{live.url}/api/v1/services", headers={"Authorization": f"Bearer {token}"}, timeout=30
        ).status_code

    def send(number: int) -> tuple[int, int]:
        headers = {
            "Authorization": f"Bearer {token}"
        }  # a connection of its own, so that all workers get some
        message = {"touser": f"o{number}", "text": "hi"}
        answer = requests.post(
            f"{live.url}/api/v1/call/wechat/send_msg", json=message, headers=headers, timeout=30
        )
        return answer.status_code, answer.json()["code"]

    with ThreadPoolExecutor(16) as pool:
        assert wait_for(lambda: set(pool.map(warm, range(32))) == {200})
        assert set(pool.map(send, range(48))) == {(200, 0)}
    assert box.tokens_issued == 1
    assert (
        len(
            {
                request.query["access_token"][0]
                for request in box.requests
                if request.path == "/cgi-bin/message/send"
            }
        )
        == 1
    )


def test_after_a_crash_between_send_and_record_the_outcome_is_unknown_and_nothing_is_sent_again(
    serve: Callable[..., Live], box: Sandbox, redis_server: RedisServer
) -> None:
    live = serve(CHARGES.format(url=box.url, deadline=DEADLINE_SECONDS), 1)
    killed_while_the_service_works(live, box, redis_server, "once")

    for _ in range(2):
        answer = answer_in_the_end(live, "once")
        assert (answer.status_code, answer.json()["code"]) == (409, -3006)
        assert "outcome is unknown" in answer.json()["message"]
    assert len(box.requests) == 1


def test_after_such_a_crash_a_call_whose_key_the_service_honours_is_sent_again_and_charged_once(
    serve: Callable[..., Live], box: Sandbox, redis_server: RedisServer
) -> None:
    live = serve(CHARGES.format(url=box.url, deadline=DEADLINE_SECONDS), 1)
    killed_while_the_service_works(live, box, redis_server, "honoured")

    answer = answer_in_the_end(live, "honoured")
    again = live.call("pay.honoured", CHARGE, headers=KEY)

    assert (answer.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (
        200,
        200,
        "true",
    )
    first, second = box.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert len(requests.get(f"{box.url}/payments", timeout=30).json()) == 1
