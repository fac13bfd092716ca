"""Every way a service can misbehave on the wire, and the one error that it becomes."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import (
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    CredentialError,
    Failed,
    GatewayError,
    QuotaExceeded,
    ReadTimeout,
    Rejected,
)
from sandbox import Sandbox
from tests.gateway.fakes import Gate, Wire, answer, comes_true, service

Open = Callable[..., Gate]
OnWire = Callable[..., tuple[Wire, Gate]]
HEALTH = {"status": "ok"}


def failure(gate: Gate, params: dict[str, object] | None = None, **how: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        gate.ask("m", params, **how)
    assert (caught.value.service, caught.value.method) == ("s", "m")
    assert gate.trace.attempts[-1].code == caught.value.code
    return caught.value


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("hang", ReadTimeout, -1001),
        ("delay=30", ReadTimeout, -1001),
        ("drip=0.2", ReadTimeout, -1001),
        ("drip-headers=0.2", ReadTimeout, -1001),
        ("reset", ConnectionLost, -1003),
        ("close", ConnectionLost, -1003),
        ("garbage", BadResponse, -1005),
        ("html", BadResponse, -1005),
        ("bad-json", BadResponse, -1005),
        ("nan", BadResponse, -1005),
        ("latin", BadResponse, -1005),
        ("short", BadResponse, -1005),
        ("truncated", BadResponse, -1005),
        ("bad-gzip", BadResponse, -1005),
        ("huge=20001", BadResponse, -1005),
        ("huge=20001;chunked", BadResponse, -1005),
        ("gzip-bomb=4000000", BadResponse, -1005),
        ("status=301", BadResponse, -1005),
        ("status=304", BadResponse, -1005),
        ("status=400", Rejected, -1006),
        ("status=403", Rejected, -1006),
        ("status=404", Rejected, -1006),
        ("status=422", Rejected, -1006),
        ("status=401", CredentialError, -1012),
        ("status=429", QuotaExceeded, -1009),
        ("retry-after=7", QuotaExceeded, -1009),
        ("status=500", Failed, -1004),
        ("status=503", Failed, -1004),
        ("html=502", Failed, -1004),
        ("status=599;close", ConnectionLost, -1003),
    ],
)
def test_each_fault_has_its_error(
    gate: Open, box: Sandbox, fault: str, kind: type[GatewayError], code: int
) -> None:
    box.fault("/v1/health", fault)
    times = {"timeout": {"read": 1}} if kind is ReadTimeout else {}
    error = failure(gate("GET /v1/health", on={"max_response": 20000}, **times))
    assert (type(error), error.code) == (kind, code)
    assert comes_true(lambda: box.requests)
    assert len(box.requests) == 1


@pytest.mark.parametrize(
    "fault",
    ["gzip", "deflate", "chunked", "gzip;chunked", "http10", "1xx", "long", "stale", "reset-next", "drip=0.001",
     "drip-headers=0.0005", "delay=0.01"],
)  # fmt: skip
def test_what_is_odd_but_right_is_read_exactly(gate: Open, box: Sandbox, fault: str) -> None:
    box.fault("/v1/health", fault)
    assert gate("GET /v1/health").ask() == HEALTH


def test_an_empty_answer_is_no_data(gate: Open, box: Sandbox) -> None:
    box.fault("/v1/health", "empty")
    assert gate("GET /v1/health").ask() is None


def test_an_answer_of_exactly_max_response_is_taken(gate: Open, box: Sandbox) -> None:
    box.fault("/v1/health", "huge=20000")
    assert gate("GET /v1/health", on={"max_response": 20000}).ask() == "x" * 19998


def test_max_response_holds_for_what_was_inflated(gate: Open, box: Sandbox) -> None:
    at = gate("GET /v1/health", on={"max_response": 20000})
    box.fault("/v1/health", "gzip-bomb=20000")
    assert at.ask() == "x" * 19998
    box.fault("/v1/health", "gzip-bomb=20001")
    assert failure(at).detail == "larger than max_response (20000 bytes) once inflated"


def test_a_large_answer_comes_back_byte_for_byte(gate: Open, box: Sandbox) -> None:
    at = gate("GET /bytes/3000000", response="text")
    assert at.ask() == "x" * 3_000_000


def test_a_text_that_is_not_utf_8_is_a_bad_response(gate: Open, box: Sandbox) -> None:
    box.fault("/v1/health", "latin")
    assert type(failure(gate("GET /v1/health", response="text"))) is BadResponse


@pytest.mark.parametrize("fault", ["drip=0.4", "drip-headers=0.4"])
def test_an_answer_that_trickles_ends_at_the_read_timeout(
    gate: Open, box: Sandbox, fault: str
) -> None:
    box.fault("/v1/health", fault)
    began = time.monotonic()
    failure(gate("GET /v1/health", timeout={"read": 1}))
    assert 1 <= time.monotonic() - began < 30  # to its end it trickles for 40 s and more


def test_a_204_is_no_data_and_keeps_the_connection(gate: Open, box: Sandbox) -> None:
    at = gate("DELETE /items/{id}", params={"id": {"type": "integer"}})
    maker = gate("POST /items", params={"name": {"type": "string"}})
    for name in ("a", "b"):
        assert at.ask("m", {"id": maker.ask("m", {"name": name})["id"]}) is None
    assert box.connections == 2  # one for each gateway


def test_head_is_no_data_and_keeps_the_connection(gate: Open, box: Sandbox) -> None:
    at = gate("HEAD /bytes/1000")
    assert [at.ask(), at.ask()] == [None, None]
    assert [request.verb for request in box.requests] == ["HEAD", "HEAD"]
    assert box.connections == 1


def test_a_refused_port_is_a_failed_connect(open_gate: Open) -> None:
    with Wire([]) as wire:
        url = wire.url
    error = failure(open_gate({"s": service(url, methods={"m": {"http": "GET /"}})}))
    assert (type(error), error.code) == (ConnectFailed, -1003)


@pytest.mark.parametrize("host", ["nohost.invalid", "a..b", "x" * 70 + ".example"])
def test_a_name_that_does_not_resolve_is_a_failed_connect(open_gate: Open, host: str) -> None:
    error = failure(open_gate({"s": service(f"http://{host}", methods={"m": {"http": "GET /"}})}))
    assert isinstance(error, ConnectFailed)
    assert (error.detail or "").startswith("DNS:")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * 70000,
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2000,
        answer(b"{}", "200 OK", "Content-Encoding: br"),
        answer(b"{}", "200 OK", "Content-Encoding: gzip, gzip"),
        b"220 mail.example ESMTP\r\n",
    ],
    ids=lambda raw: raw[:60].decode(),
)
def test_what_is_not_sound_http_is_a_bad_response(wire: OnWire, raw: bytes) -> None:
    _, at = wire(raw)
    assert type(failure(at)) is BadResponse


@pytest.mark.parametrize(
    "headers", [("X-Empty:",), ("X-Latin: \xe9\xb2",), ("X-A: 1", "x-a: 2", "X-A:3")]
)
def test_unusual_headers_do_no_harm(wire: OnWire, headers: tuple[str, ...]) -> None:
    _, at = wire(answer(b'{"a":1}', "200 OK", *headers))
    assert at.ask() == {"a": 1}


@pytest.mark.parametrize(
    "value", ["\xb2", "-5", "soon", "", "1e3", "9" * 30, "Mon, 01 Jan 2024 00:00:00 +99999999999"]
)
def test_a_retry_after_that_makes_no_sense_is_none(wire: OnWire, value: str) -> None:
    _, at = wire(answer(b"{}", "429 Slow", f"Retry-After: {value}"))
    error = failure(at)
    assert (type(error), error.retry_after) == (QuotaExceeded, None)


def test_a_trailer_cannot_change_how_the_body_is_read(wire: OnWire) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Encoding\r\n\r\n"
    _, at = wire(head + b"2\r\n{}\r\n0\r\nContent-Encoding: gzip\r\n\r\n")
    assert at.ask() == {}


def test_a_gzip_of_several_members_is_read_whole(wire: OnWire) -> None:
    body = gzip.compress(b'{"a":') + gzip.compress(b"1}")
    _, at = wire(answer(body, "200 OK", "Content-Encoding: gzip"))
    assert at.ask() == {"a": 1}


def test_a_gzip_of_endless_empty_members_is_given_up(wire: OnWire) -> None:
    _, at = wire(answer(gzip.compress(b"") * 200_000, "200 OK", "Content-Encoding: gzip"))
    assert failure(at).detail == "compressed in too many pieces"


def test_a_gzip_cut_short_is_a_bad_response(wire: OnWire) -> None:
    _, at = wire(answer(gzip.compress(b'{"a":1}')[:-4], "200 OK", "Content-Encoding: gzip"))
    assert failure(at).detail == "compressed body is cut short"


def test_raw_deflate_is_read_like_zlib(wire: OnWire) -> None:
    _, at = wire(answer(zlib.compress(b'{"a":1}')[2:-4], "200 OK", "Content-Encoding: deflate"))
    assert at.ask() == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":1e}', b"1" * 5000, b'{"a":1}x', b"\xff", b"{'a':1}", b"[1,]"],
    ids=lambda body: body[:8].decode("latin-1"),
)
def test_what_is_not_json_is_a_bad_response(wire: OnWire, body: bytes) -> None:
    _, at = wire(answer(body))
    assert type(failure(at)) is BadResponse


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b'\xef\xbb\xbf{"a": "\xe4\xb8\xad"}', {"a": "中"}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'"\\ud800"', "\ud800"),
        (b" null ", None),
    ],
)
def test_json_is_read_exactly(wire: OnWire, body: bytes, data: object) -> None:
    _, at = wire(answer(body))
    assert at.ask() == data
