"""Many callers at once, on greenlets and on threads."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.live import GTHREAD, Live, catalog_for, wait_for
from tests.ports import free_port


@pytest.mark.parametrize("gunicorn", [(), GTHREAD], ids=["gevent", "gthread"])
def test_callers_at_once_get_their_own_answers_and_share_one_token(
    tmp_path, database, gunicorn: tuple[str, ...]
) -> None:
    with Sandbox(port=free_port()) as box:
        live = Live(tmp_path, catalog_for(box), gunicorn=gunicorn, **database()).start()
        try:
            token = live.token()

            def echo(number: int) -> object:
                live.call("wechat.send_msg", {"touser": f"o{number}", "text": "hi"})
                answer = live.call(
                    "demo.create_item",
                    {"name": f"item {number}"},
                    headers={"X-Request-ID": f"r{number}"},
                )
                return number, answer.json()["data"]["name"], answer.json()["request_id"]

            with ThreadPoolExecutor(24) as pool:
                answers = list(pool.map(echo, range(96)))
        finally:
            live.stop()

        assert token
        assert answers == [(number, f"item {number}", f"r{number}") for number in range(96)]
        assert box.tokens_issued == 1
        sent = [
            json.loads(request.body)["touser"]
            for request in box.requests
            if request.path == "/cgi-bin/message/send"
        ]
        assert sorted(sent) == sorted(f"o{number}" for number in range(96))
        assert box.connections < 96, "connections are kept and used again"


def test_a_server_that_is_told_to_end_finishes_its_calls_and_waits_for_no_silent_connection(
    tmp_path,
) -> None:
    with Sandbox(port=free_port()) as box:
        live = Live(tmp_path, catalog_for(box)).start()
        try:
            live.get("/healthz")  # this connection stays open
            proof = {"Authorization": f"Bearer {live.token()}"}
            box.fault("/items", "delay=2")
            with ThreadPoolExecutor(1) as pool:
                slow = pool.submit(
                    requests.get,
                    f"{live.url}/api/v1/call/demo/list_items",
                    headers=proof,
                    timeout=30,
                )
                wait_for(lambda: any(request.path == "/items" for request in box.requests))
                live.process.terminate()
                assert slow.result().status_code == 200
            assert live.process.wait(25) == 0, "the graceful time is 30 s"
        finally:
            live.stop()
