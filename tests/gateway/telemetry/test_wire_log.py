"""``LOG_LEVEL=debug``: each exchange as it went over the wire, without what must not be seen, and
not too long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from gateway import Gateway, GatewayError
from gateway.clock import SystemClock
from gateway.masking import Masker
from gateway.streams import PassthroughRequest
from gateway.telemetry.wire_log import MAX_TEXT_CHARACTERS
from sandbox import Sandbox
from tests.gateway.conftest import Open
from tests.gateway.fakes import Gate, Lines, Wire, answer, make_catalog, make_runtime, service

TEXT = {"type": "string"}
PARAMS = {"text": TEXT, "note": TEXT, "password": TEXT, "phone": TEXT}
Dumping = Callable[..., Gate]
VALUES = {"text": "private words", "note": "hello", "password": "hunter22", "phone": "13812345678"}


@pytest.fixture
def dumping() -> Iterator[Dumping]:
    gateways: list[Gateway] = []

    def make(
        url: str, http: str = "POST /anything", *, on: Any = None, dumps: bool = True, **method: Any
    ) -> Gate:
        log = Lines()
        masker = Masker()
        clock = SystemClock()
        runtime = replace(make_runtime(log=log, masker=masker, clock=clock), dumps=dumps)
        gateway = Gateway(
            make_catalog(
                {"s": service(url, methods={"m": {"http": http, **method}}, **(on or {}))}
            ),
            runtime,
        )
        gateways.append(gateway)
        return Gate(gateway, log, masker, clock)

    yield make
    for gateway in gateways:
        gateway.close()


def exchange_lines(at: Gate) -> list[dict[str, Any]]:
    return [event for event in at.log.events if event["event"] == "exchange"]


def test_an_exchange_is_shown_as_it_went_over_the_wire(dumping: Dumping, box: Sandbox) -> None:
    at = dumping(
        box.url,
        "POST /anything/{note}",
        params={
            "note": {**TEXT, "in": "path"},
            "q": {**TEXT, "in": "query"},
            "n": {"type": "integer"},
        },
    )
    at.ask("m", {"note": "hello", "q": "a b", "n": 7})
    [line] = exchange_lines(at)
    assert (line["request"], line["body"], line["status"]) == (
        "POST /anything/hello?q=a b HTTP/1.1",
        '{"n":7}',
        200,
    )
    assert line["to"] == box.url.removeprefix("http://")
    assert line["headers"]["User-Agent"] == "postern"
    assert line["answer_headers"]["content-type"].startswith("application/json")
    assert '"n":7' in line["answer_body"]
    assert (line["service"], line["method"], line["request_id"]) == ("s", "m", "r-1")


@pytest.mark.parametrize("body", ["json", "form", "xml"])
def test_no_secret_is_shown_in_a_request_or_in_its_echo(
    dumping: Dumping, box: Sandbox, body: str
) -> None:
    auth = {"type": "api_key", "in": "header", "name": "X-Api-Key", "value": "key-that-nobody-sees"}
    at = dumping(box.url, params=PARAMS, mask=["text"], body=body, on={"auth": auth})
    at.ask("m", VALUES)
    line = at.log.rendered(at.masker)
    for secret in (
        b"private words",
        b"hunter22",
        b"13812345678",
        b"key-that-nobody-sees",
        b"private+words",
        b"private%20words",
    ):
        assert secret not in line
    assert b"hello" in line
    assert b"1381234****" in line


def test_no_secret_is_shown_of_a_query_and_of_a_path(dumping: Dumping, box: Sandbox) -> None:
    places = {
        "text": {**TEXT, "in": "path"},
        "sign": {**TEXT, "in": "query"},
        "note": {**TEXT, "in": "query"},
    }
    at = dumping(box.url, "GET /anything/{text}", params=places, mask=["text"])
    at.ask("m", {"text": "private words", "sign": "abcdef", "note": "hello"})
    assert exchange_lines(at)[0]["request"] == "GET /anything/****?sign=****&note=hello HTTP/1.1"
    assert b"abcdef" not in at.log.rendered(at.masker)


def test_neither_cookies_nor_tokens_in_an_answer_are_shown(dumping: Dumping) -> None:
    bodies = {
        "application/json": b'{"data": "{\\"access_token\\": \\"sesame-1\\"}", "openid": "me", "refresh_token": "sesame-2"}',
        "text/plain": b"access_token=sesame-3&openid=me",
        "application/xml": b"<xml><access_token><![CDATA[sesame-4]]></access_token><openid>me</openid></xml>",
    }
    for kind, body in bodies.items():
        with Wire(
            [answer(body, "200 OK", f"Content-Type: {kind}", "Set-Cookie: sid=sesame-5")]
        ) as server:
            at = dumping(server.url, "GET /", response="bytes")
            at.ask()
            assert b"sesame" not in at.log.rendered(at.masker)
            assert "me" in exchange_lines(at)[0]["answer_body"]


def test_the_answer_that_brings_a_token_is_not_shown(dumping: Dumping, box: Sandbox) -> None:
    auth = {
        "type": "app_secret",
        "app_id": "sandbox-app",
        "secret": "sandbox-secret",
        "token_url": "/cgi-bin/token",
    }
    at = dumping(box.url, "GET /anything", on={"auth": auth})
    at.ask()
    fetched, echoed = exchange_lines(at)
    assert "answer_body" not in fetched
    token = box.requests[-1].query["access_token"][0].encode()
    assert token not in at.log.rendered(at.masker)
    assert b"sandbox-secret" not in at.log.rendered(at.masker)
    assert echoed["request"] == "GET /anything?access_token=**** HTTP/1.1"


def test_long_bodies_are_cut_and_binary_ones_told_by_their_length(dumping: Dumping) -> None:
    for kind, body, text in (
        ("text/plain", b"x" * 9000, "x" * MAX_TEXT_CHARACTERS + "…"),
        ("application/octet-stream", b"\0\1\2", "3 bytes application/octet-stream"),
        ("application/json", b"\xff\xfe", "2 bytes application/json"),
        ("text/plain", b"x" * 70_000, "70000 bytes text/plain"),
    ):
        with Wire([answer(body, "200 OK", f"Content-Type: {kind}")]) as server:
            at = dumping(server.url, "GET /", response="bytes")
            at.ask()
            assert exchange_lines(at)[0]["answer_body"] == text


def test_of_a_token_endpoints_answer_no_value_is_shown_wherever_the_token_stands(
    dumping: Dumping,
) -> None:
    auth = {"type": "token", "request": {"http": "POST /session"}, "token": "header:X-Ticket"}
    granted = answer(b"ticket-4711", "201 Created", "X-Ticket: ticket-4711", "X-Twin: ticket-4711")
    with Wire([granted, answer()]) as server:
        at = dumping(server.url, "GET /", on={"auth": auth})
        at.ask()
        assert b"ticket-4711" not in at.log.rendered(at.masker)
        assert exchange_lines(at)[0]["answer_headers"]["x-ticket"] == "****"


def test_an_exchange_without_an_answer_is_shown_as_far_as_it_went(
    dumping: Dumping, box: Sandbox
) -> None:
    at = dumping(box.url, "GET /anything")
    box.fault("/anything", "reset")
    with pytest.raises(GatewayError):
        at.ask()
    [line] = exchange_lines(at)
    assert (line["request"], line["status"]) == ("GET /anything HTTP/1.1", None)
    assert "answer_headers" not in line


def test_of_a_stream_the_head_is_shown(dumping: Dumping, box: Sandbox) -> None:
    at = dumping(box.url, "GET /anything", stream=True)
    b"".join(at.ask(inbound=PassthroughRequest()))
    [line] = exchange_lines(at)
    assert (line["status"], "answer_body" in line) == (200, False)


def test_nothing_is_shown_unless_it_is_asked_for(gate: Open) -> None:
    at = gate()
    at.ask()
    assert exchange_lines(at) == []


def test_an_answer_nested_deeply_is_the_same_whether_it_is_shown_or_not(dumping: Dumping) -> None:
    with Wire([answer(b'{"a":' * 500 + b"1" + b"}" * 500)]) as server:
        answer_value = dumping(server.url, "GET /").ask("m")
    for _ in range(500):
        answer_value = answer_value["a"]
    assert answer_value == 1


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500 + b"]" * 500,
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b'{"token":"\\ud800","a":"\\udfff"}',
        b"9" * 4000,
        b"9" * 4400,
        b'"\xff"',
        b'"\\u0000\x7f"',
        b"[" + b"1," * 40_000 + b"1]",
        b'{"' + b"token" * 10_000 + b'":1}',
        b"",
        b" ",
    ],
    ids=["deep list", "deep object", "surrogates", "digits", "too many digits", "bytes", "NUL", "items", "name", "none", "blank"],
)  # fmt: skip
def test_the_debug_level_changes_no_outcome(dumping: Dumping, body: bytes) -> None:
    headers = ("Content-Type: application/json", "X-Odd: \x01\xe9", "Set-Cookie: a")
    outcomes = []
    for dumps in (True, False):
        with Wire([answer(body, "200 OK", *headers)]) as server:
            at = dumping(server.url, "POST /", params=PARAMS, mask=["text"], dumps=dumps)
            try:
                outcomes.append(at.ask("m", {"text": "\ud800 words", "phone": "13812345678"}))
            except GatewayError as error:
                outcomes.append((error.code, error.detail))
            at.log.rendered(at.masker)
    assert outcomes[0] == outcomes[1]
