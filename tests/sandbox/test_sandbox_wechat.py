from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Sandbox

Call = Callable[..., Any]

GOOD = "grant_type=client_credential&appid=sandbox-app&secret=sandbox-secret"


def fetch(call: Call) -> str:
    token: str = call(f"/cgi-bin/token?{GOOD}").json["access_token"]
    return token


def send(call: Call, token: str, message: Any = None) -> Any:
    message = {"touser": "o1", "text": "你好"} if message is None else message
    answer = call(f"/cgi-bin/message/send?access_token={token}", "POST", message)
    assert answer.status == 200
    return answer.json


def test_a_token_lasts_7200_seconds_and_each_fetch_gives_and_counts_a_new_one(
    box: Sandbox, call: Call
) -> None:
    first, second = call(f"/cgi-bin/token?{GOOD}").json, call(f"/cgi-bin/token?{GOOD}").json
    assert first["expires_in"] == 7200
    assert first["access_token"] != second["access_token"]
    assert box.tokens_issued == 2


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ("appid=sandbox-app&secret=sandbox-secret", 40002, "invalid grant_type"),
        ("grant_type=client_credential&appid=other&secret=sandbox-secret", 40013, "invalid appid"),
        ("grant_type=client_credential&appid=sandbox-app&secret=no", 40125, "invalid appsecret"),
        ("grant_type=client_credential&secret=sandbox-secret", 41002, "appid missing"),
        ("grant_type=client_credential&appid=sandbox-app", 41004, "appsecret missing"),
    ],
)
def test_wrong_credentials_get_wechats_errcode_with_http_200(
    box: Sandbox, call: Call, query: str, code: int, text: str
) -> None:
    answer = call(f"/cgi-bin/token?{query}")
    assert (answer.status, answer.json) == (200, {"errcode": code, "errmsg": text})
    assert box.tokens_issued == 0


def test_a_message_with_a_good_token_gets_an_id(call: Call) -> None:
    answer = send(call, fetch(call))
    assert isinstance(answer.pop("msgid"), int)
    assert answer == {"errcode": 0, "errmsg": "ok"}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"touser": "nobody", "text": "hi"}, 40003),
        ({"text": "hi"}, 40003),
        ({"touser": "o1", "text": ""}, 44004),
        ({"touser": "o1"}, 44004),
        ({"touser": "busy", "text": "hi"}, -1),
        ({"touser": "quota", "text": "hi"}, 45009),
        (b"not json", 47001),
        ([1], 47001),
    ],
)
def test_a_message_that_cannot_be_sent_gets_wechats_errcode(
    call: Call, message: Any, code: int
) -> None:
    assert send(call, fetch(call), message)["errcode"] == code


def test_a_missing_token_gets_41001_and_an_unknown_one_40001(call: Call) -> None:
    assert send(call, "")["errcode"] == 41001
    assert send(call, "made-up")["errcode"] == 40001


def test_an_older_token_works_on_during_the_overlap(call: Call) -> None:
    older = fetch(call)
    fetch(call)
    assert send(call, older)["errcode"] == 0


def test_an_older_token_is_stale_after_the_overlap(serving: Any) -> None:
    call = serving(token_overlap=0)
    older, newer = fetch(call), fetch(call)
    assert send(call, older)["errcode"] == 40001
    assert send(call, newer)["errcode"] == 0


def test_a_token_past_its_time_gets_42001(serving: Any) -> None:
    call = serving(expires_in=0)
    assert send(call, fetch(call))["errcode"] == 42001


def test_revoked_tokens_get_40001_though_their_time_is_not_over(box: Sandbox, call: Call) -> None:
    token = fetch(call)
    box.revoke_tokens()
    assert send(call, token)["errcode"] == 40001


def test_the_wrong_verb_gets_43001_and_43002(call: Call) -> None:
    assert call(f"/cgi-bin/token?{GOOD}", "POST").json["errcode"] == 43001
    assert call("/cgi-bin/message/send").json["errcode"] == 43002


def test_an_unknown_wechat_path_gets_404(call: Call) -> None:
    assert call("/cgi-bin/other").status == 404
