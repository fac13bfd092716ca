"""Many callers at once, on greenlets and on threads."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import Sandbox
from tests.e2e.live import GTHREAD, Live, catalog_for


@pytest.mark.parametrize("gunicorn", [(), GTHREAD], ids=["gevent", "gthread"])
def test_callers_at_once_get_their_own_answers_and_share_one_token(
    tmp_path, database, gunicorn: tuple[str, ...]
) -> None:
    with Sandbox() as box:
        live = Live(tmp_path, catalog_for(box), gunicorn=gunicorn, **database()).start()
        try:
            token = live.token()

            def echo(number: int) -> object:
                live.call("wechat.send_msg", {"touser": f"o{number}", "text": "hi"})
                made = live.call("demo.create_item", {"name": f"item {number}"}, headers={"X-Request-ID": f"r{number}"})
                return number, made.json()["data"]["name"], made.json()["request_id"]

            with ThreadPoolExecutor(24) as pool:
                answers = list(pool.map(echo, range(96)))
        finally:
            live.stop()

        assert token
        assert answers == [(number, f"item {number}", f"r{number}") for number in range(96)]
        assert box.tokens_issued == 1
        sent = [json.loads(each.body)["touser"] for each in box.requests if each.path == "/cgi-bin/message/send"]
        assert sorted(sent) == sorted(f"o{number}" for number in range(96))
        assert box.connections < 96, "connections are kept and used again"
