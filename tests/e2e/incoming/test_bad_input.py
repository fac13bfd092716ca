"""Whatever arrives gets the envelope with its code: never a 500, never HTML."""

from __future__ import annotations

import json
import re
import socket

import pytest

from sandbox import Sandbox
from tests.e2e.live import Live

JSON = {"Content-Type": "application/json"}
CALL = "/api/v1/call/wechat/send_msg"
PLACES = ["/api/v1/call", CALL, "/api/v1/login", "/api/v1/token/refresh"]

BROKEN = {
    "text": b"hello",
    "cut short": b'{"touser": "a"',
    "single quotes": b"{'touser': 'a'}",
    "two values": b"{} {}",
    "nested arrays": b"[" * 8_000,
    "closed nested arrays": b"[" * 4_000 + b"]" * 4_000,
    "nested objects": b'{"a":' * 1_600,
    "65 levels": b'{"touser":' + b"[" * 64 + b"]" * 64 + b"}",
    "NaN": b'{"touser": NaN}',
    "Infinity": b'{"touser": -Infinity}',
    "a number that is infinite": b'{"touser": 1e400}',
    "invalid UTF-8": b'{"touser": "\xff"}',
    "overlong UTF-8": b'{"touser": "\xc0\xaf"}',
    "an encoded surrogate": b'{"touser": "\xed\xa0\x80"}',
    "an escaped lone surrogate": b'{"touser": "\\ud800"}',
    "UTF-16": '{"touser": "a"}'.encode("utf-16"),
    "a NUL byte": b'{"touser": "\x00"}',
    "duplicate keys": b'{"touser": "a", "touser": "b"}',
    "a very long integer": b'{"touser": ' + b"9" * 5000 + b"}",
    "nothing": b"",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_body_is_malformed(live: Live, place: str, what: str) -> None:
    answer = live.post(place, data=BROKEN[what], headers=JSON)

    check(answer, 400, -3001)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "text/json", "application/xml", None],
)
def test_a_body_of_another_type_is_refused(live: Live, place: str, kind: str | None) -> None:
    answer = live.post(
        place, data=b'{"touser": "a"}', headers={"Content-Type": kind} if kind else {}
    )

    check(answer, 400, -3002)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "body", ["[]", "5", "null", '"text"', "true", "{}", '{"no": "such field"}']
)
def test_json_of_another_shape_is_a_validation_error(live: Live, place: str, body: str) -> None:
    answer = live.post(place, data=body, headers=JSON)

    check(answer, 400, -3003)
    assert answer.json()["error"]["fields"]


@pytest.mark.parametrize("place", [*PLACES, "/no/such/path"])
def test_a_10_mb_body_is_too_large(live: Live, place: str) -> None:
    answer = live.post(place, data=b'{"touser": "' + b"a" * 10_000_000 + b'"}', headers=JSON)

    if place in PLACES:
        check(answer, 413, -3007)
    else:
        check(answer, 404, -3004)


def test_a_chunked_10_mb_body_is_too_large(live: Live) -> None:
    answer = live.post(CALL, data=iter([b"a" * 1_000_000] * 10), headers=JSON)

    check(answer, 413, -3007)


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/api/v1/nope",
        "/api/v1/call/a/b/c",
        "//api//v1//call",
        "/api/v1/login/",
        "/%00",
        "/..%2f..",
    ],
)
@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE", "PATCH"])
def test_an_unknown_path_is_not_found(live: Live, verb: str, path: str) -> None:
    check(live.send(verb, path), 404, -3004)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/login", "POST"),
        ("/api/v1/call", "POST"),
        ("/healthz", "GET"),
        ("/api/v1/services", "GET"),
    ],
)
@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "FOO"])
def test_a_wrong_verb_says_which_are_right(live: Live, verb: str, path: str, allowed: str) -> None:
    answer = live.send(verb, path)

    check(answer, 405, -3005)
    assert allowed in answer.headers["Allow"]


@pytest.mark.parametrize(
    "name", ["wechat/nope", "nope/send_msg", "%00/%00", "a" * 500 + "/b", "微信/发送"]
)
def test_an_unknown_service_or_method_is_not_found(live: Live, name: str) -> None:
    check(live.post(f"/api/v1/call/{name}", json={}), 404, -3004)


def test_no_credentials_come_before_a_bad_body(live: Live) -> None:
    answer = live.session.post(live.url + CALL, data=b"{", headers=JSON)

    check(answer, 401, -2001)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_not_http_gets_the_envelope_too(live: Live, raw: bytes) -> None:
    head, _, body = said_to(live, raw).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4") and b"application/json" in head
    assert b"\r\nContent-Security-Policy: default-src 'none'" in head
    envelope = json.loads(body)
    assert f"\r\nX-Request-ID: {envelope['request_id']}\r\n" in head.decode()
    assert envelope["code"] == -3001
    assert envelope["error"]["source"] == "caller"
    lines = [json.loads(line) for line in live.log.splitlines() if envelope["request_id"] in line]
    assert [(line["event"], line["status"], line["code"]) for line in lines] == [
        ("request", 400, -3001)
    ]


@pytest.mark.parametrize(
    "rest", ["a b&phone=13800138000&password=hunter2", "\xe9&phone=13800138000&password=hunter2"]
)
def test_what_is_not_http_is_counted_and_not_logged(live: Live, rest: str) -> None:
    counted = refused_so_far(live)
    said_to(
        live,
        f"GET /api/v1/call/maps/geocode?address={rest} HTTP/1.1\r\nHost: x\r\n\r\n".encode(
            "latin-1"
        ),
    )
    assert refused_so_far(live) == counted + 1
    assert "hunter2" not in live.log
    assert "13800138000" not in live.log


def said_to(live: Live, raw: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall(raw)
        return b"".join(iter(lambda: client.recv(65536), b""))


def refused_so_far(live: Live) -> float:
    text = live.session.get(f"{live.url}/metrics").text
    match = re.search(
        r'postern_http_requests_total\{method="other",route="none",status="400"\} (\S+)', text
    )
    return float(match[1]) if match else 0.0


@pytest.mark.parametrize("size", [40, 20_000])
def test_a_body_that_breaks_off_is_malformed_and_nothing_is_sent(
    live: Live, box: Sandbox, size: int
) -> None:
    sent, token = len(box.requests), live.token()
    body = b'{"touser": "a", "text": "b"}'
    head = f"POST {CALL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode() + body)
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == -3001
    assert len(box.requests) == sent


def test_several_cookie_lines_stay_several_cookies(live: Live, box: Sandbox) -> None:
    head = f"GET /api/v1/proxy/wechat/cgi-bin/cookies HTTP/1.1\r\nHost: x\r\nX-Postern-Token: Bearer {live.token()}\r\n"
    said_to(live, f"{head}Cookie: a=1\r\nCookie: b=2\r\nConnection: close\r\n\r\n".encode())
    assert [
        request.headers["cookie"] for request in box.requests if request.path == "/cgi-bin/cookies"
    ] == ["a=1; b=2"]


def test_a_phone_number_in_a_path_is_not_logged(live: Live) -> None:
    live.get("/api/v1/nowhere/13800138000")
    assert "/api/v1/nowhere/1380013****" in live.log
    assert "13800138000" not in live.log


@pytest.mark.parametrize("length", [7_000, 8_000])
def test_a_long_query_is_a_request_as_any(live: Live, length: int) -> None:
    assert live.get(f"/api/v1/products?q={'a' * length}").json()["code"] in (0, -3003)


def check(answer, status: int, code: int) -> None:
    """The envelope, whole, with this status and code."""
    assert answer.headers["Content-Type"] == "application/json", answer.text[:200]
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text[:300]
    assert body["data"] is None and body["message"] and body["request_id"] and body["timestamp"]
    assert body["error"]["source"] == "caller"
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "chunks", [b"ZZ\r\n", b"-2\r\n", b"0x2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}XX0\r\n\r\n"]
)
def test_malformed_chunks_are_a_malformed_body_and_end_the_connection(
    live: Live, chunks: bytes
) -> None:
    head = b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall(head + chunks)
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1") == 1
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == -3001


def test_no_header_moves_the_path(live: Live) -> None:
    answer = live.get("/foo/healthz", headers={"SCRIPT_NAME": "/foo", "Script-Name": "/foo"})

    check(answer, 404, -3004)
