"""The main job over real sockets: curl's side, gunicorn, the gateway, a vendor that behaves and one that does not."""

from __future__ import annotations

import json
import re

import pytest

from examples.clients.postern_auth import PosternAuth
from sandbox import Sandbox
from tests.e2e.live import Live, wait_for
from tests.ports import free_port

SEND = {"touser": "o6_bmjrPTlm6", "text": "the text nobody may read"}


def test_a_message_reaches_wechat_with_a_token_that_postern_fetched(
    live: Live, box: Sandbox
) -> None:
    answer = live.call("wechat.send_msg", SEND)

    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"code", "message", "data", "request_id", "timestamp"}
    assert (body["code"], body["message"]) == (0, "success")
    assert isinstance(body["data"]["msgid"], int) and set(body["data"]) == {"msgid"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
    assert answer.headers["X-Request-ID"] == body["request_id"]
    assert answer.headers["X-Attempts"] == "1"
    assert re.fullmatch(r"total;dur=[\d.]+, downstream;dur=[\d.]+", answer.headers["Server-Timing"])
    sent = box.requests[-1]
    assert (sent.verb, sent.path) == ("POST", "/cgi-bin/message/send")
    assert json.loads(sent.body) == SEND
    assert len(sent.query["access_token"][0]) > 20


def test_the_three_ways_to_say_a_call_are_the_same_call(live: Live, box: Sandbox) -> None:
    whole = live.post(
        "/api/v1/call", json={"service": "maps", "method": "geocode", "params": {"address": "上海"}}
    )
    body = live.call("maps.geocode", {"address": "上海"})
    query = live.get("/api/v1/call/maps/geocode", params={"address": "上海"})

    assert whole.json()["data"] == body.json()["data"] == query.json()["data"]
    assert query.json()["data"][0]["city"]
    assert len({request.target for request in box.requests[-3:]}) == 1


def test_a_get_on_a_method_that_is_not_a_get_says_which_verb_to_use(live: Live) -> None:
    answer = live.get("/api/v1/call/wechat/send_msg", params=SEND)

    assert (answer.status_code, answer.json()["code"], answer.headers["Allow"]) == (
        405,
        -3005,
        "POST",
    )


def test_an_app_calls_with_its_signature_and_only_what_it_may(live: Live) -> None:
    output = live.flask("app", "create", "shop", "--allow", "wechat.*", "--rate", "100/minute")
    secret = re.search(r"[\w-]{43}", output.stdout)[0]

    allowed = live.call("wechat.send_msg", SEND, auth=PosternAuth("shop", secret))
    by_query = live.get(
        "/api/v1/call/maps/geocode", params={"address": "北京 市"}, auth=PosternAuth("shop", secret)
    )
    forged = live.call("wechat.send_msg", SEND, auth=PosternAuth("shop", secret[::-1]))

    assert allowed.json()["code"] == 0
    assert (by_query.status_code, by_query.json()["code"]) == (403, -2004)
    assert (forged.status_code, forged.json()["code"]) == (401, -1002)


def test_the_request_id_goes_from_the_caller_to_the_vendor_and_back(
    live: Live, box: Sandbox
) -> None:
    answer = live.call("demo.list_items", headers={"X-Request-ID": "my-own_id.1"})

    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == "my-own_id.1"
    assert box.requests[-1].headers["x-request-id"] == "my-own_id.1"
    assert wait_for(
        lambda: live.log.count('"request_id":"my-own_id.1"') == 2
    )  # the attempt's line and the request's


@pytest.mark.parametrize("address", ["x" * 129, "has space", "semi;colon", "ünïcode".encode(), ""])
def test_an_unusable_request_id_is_replaced(live: Live, address: str) -> None:
    answer = live.get("/healthz", headers={"X-Request-ID": address})

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_wrong_parameters_are_the_callers_fault_and_each_is_named(live: Live) -> None:
    answer = live.call("wechat.send_msg", {"text": 5, "colour": "red"})

    error = answer.json()["error"]
    assert (answer.status_code, answer.json()["code"], error["source"]) == (400, -3003, "caller")
    assert set(error["fields"]) == {"touser", "text", "colour"}
    assert (error["service"], error["method"]) == ("wechat", "send_msg")


def test_wechats_40003_is_the_downstream_saying_no(live: Live) -> None:
    answer = live.call("wechat.send_msg", {**SEND, "touser": "nobody"})

    error = answer.json()["error"]
    assert (answer.status_code, answer.json()["code"]) == (422, -1006)
    assert (error["type"], error["source"], error["retryable"]) == (
        "downstream_rejected",
        "downstream",
        False,
    )
    assert "vendor_code" not in error and "openid" not in answer.text


def test_wechats_40001_renews_the_token_and_sends_once_more(live: Live, box: Sandbox) -> None:
    assert live.call("wechat.send_msg", SEND).ok
    box.revoke_tokens()
    issued = box.tokens_issued

    answer = live.call("wechat.send_msg", SEND)

    assert (answer.json()["code"], answer.headers["X-Attempts"]) == (0, "2")
    assert box.tokens_issued == issued + 1


def test_503_twice_and_then_200_is_a_success_after_three_attempts(live: Live) -> None:
    answer = live.call("demo.misbehave", {"fault": "status=503x2;id=thrice"})

    assert (answer.json()["code"], answer.headers["X-Attempts"]) == (0, "3")


@pytest.mark.parametrize(
    ("fault", "status", "code", "kind"),
    [
        ("html", 502, -1005, "downstream_bad_response"),
        ("truncated", 502, -1005, "downstream_bad_response"),
        ("nan", 502, -1005, "downstream_bad_response"),
        ("garbage", 502, -1005, "downstream_bad_response"),
        ("huge=12000000", 502, -1005, "downstream_bad_response"),
        ("status=500", 502, -1004, "downstream_error"),
        ("html=502", 502, -1004, "downstream_error"),
        ("status=404", 422, -1006, "downstream_rejected"),
        ("retry-after=7", 429, -1009, "downstream_quota"),
        ("reset", 502, -1003, "downstream_unreachable"),
        ("status=401", 502, -1012, "credential_error"),
    ],
)
def test_a_vendors_failure_has_its_code(
    live: Live, fault: str, status: int, code: int, kind: str
) -> None:
    answer = live.call("demo.misbehave", {"fault": fault})

    body = answer.json()
    assert (answer.status_code, body["code"], body["error"]["type"]) == (status, code, kind)
    assert body["data"] is None
    assert answer.headers.get("Retry-After") == ("7" if code == -1009 else None)


def test_a_hanging_vendor_is_a_downstream_timeout(box: Sandbox, tmp_path) -> None:
    box.fault("/cgi-bin/message/send", "hang")
    catalog = (
        "version: 1\ndefaults: {timeout: {connect: 20, read: 20}, deadline: 25}\nservices:\n  wechat:\n"
        f"    base_url: {box.url}\n    allow_private: true\n    envelope: wechat\n"
        "    auth: {type: app_secret, app_id: sandbox-app, secret: sandbox-secret, token_url: /cgi-bin/token}\n"
        "    methods:\n      send_msg: {http: POST /cgi-bin/message/send, timeout: {read: 1}, params: {touser: {type: string}}}\n"
    )
    live = Live(tmp_path, catalog).start()
    try:
        answer = live.call("wechat.send_msg", {"touser": "o1"})
        body = answer.json()
        assert (answer.status_code, body["code"], body["error"]["source"]) == (
            504,
            -1001,
            "downstream",
        )
        assert (
            answer.headers["X-Attempts"] == "1"
        )  # a POST whose outcome is unknown is not sent again
    finally:
        live.stop()
        box.fault("/cgi-bin/message/send", "")


@pytest.mark.parametrize("fault", ["hang", "drip=0.2", "drip-headers=0.2"])
def test_the_deadline_holds_to_the_last_byte(live: Live, fault: str) -> None:
    """The read timeout, which ends it otherwise, has another code."""
    answer = live.call("demo.misbehave", {"fault": fault}, headers={"X-Request-Timeout": "0.5"})

    assert (answer.status_code, answer.json()["code"]) == (504, -1011)


@pytest.mark.parametrize("asked", ["0", "-1", "soon", "nan", "inf"])
def test_a_useless_timeout_is_refused(live: Live, asked: str) -> None:
    answer = live.call("demo.list_items", headers={"X-Request-Timeout": asked})

    assert (answer.status_code, answer.json()["code"]) == (400, -3003)
    assert "X-Request-Timeout" in answer.json()["error"]["fields"]


def test_a_vendor_that_is_not_running_is_unreachable(tmp_path) -> None:
    with Sandbox(port=free_port()) as ended:
        pass
    service = f"{{base_url: {ended.url}, allow_private: true, methods: {{m: {{http: POST /}}}}}}"
    live = Live(tmp_path, f"version: 1\nservices: {{x: {service}}}").start()
    try:
        answer = live.call("x.m")
        assert (answer.status_code, answer.json()["code"], answer.headers["X-Attempts"]) == (
            502,
            -1003,
            "3",
        )
        assert answer.json()["error"]["source"] == "downstream"
        assert ended.url.removeprefix("http://") not in answer.text
    finally:
        live.stop()


def test_services_lists_what_the_caller_may_call(live: Live) -> None:
    output = live.flask("app", "create", "narrow", "--allow", "maps.geocode")
    auth = PosternAuth("narrow", re.search(r"[\w-]{43}", output.stdout)[0])

    everything = live.get("/api/v1/services").json()["data"]
    little = live.get("/api/v1/services", auth=auth).json()["data"]

    assert [service["name"] for service in everything["items"]] == [
        "wechat",
        "maps",
        "demo",
        "llm",
        "formats",
        "pay",
    ]
    assert [service["name"] for service in little["items"]] == ["maps"]
    assert [method["name"] for method in little["items"][0]["methods"]] == ["geocode"]
    assert little["items"][0]["methods"][0]["params"]["address"]["type"] == "string"
    assert live.get("/api/v1/services/wechat", auth=auth).status_code == 404
    assert live.get("/api/v1/services/wechat").json()["data"]["methods"][0]["verb"] == "POST"
