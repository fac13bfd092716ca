"""Each fault as a client on the wire sees it."""

import gzip
import http.client
import json
import socket
import time
import zlib
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from sandbox import Sandbox
from tests.sandbox.conftest import SECONDS

Call = Callable[..., Any]
Raw = Callable[..., bytes]
HEALTH = b'{"status": "ok"}'
SMUGGLED = b'{"smuggled":true}'


def split(answer: bytes) -> tuple[bytes, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.lower(), body


def healthy(call: Call) -> bool:
    return bool(call("/v1/health").json == {"status": "ok"})


def test_delay_answers_properly_after_that_many_seconds(call: Call) -> None:
    begun = time.monotonic()
    assert call("/v1/health", X_Sandbox_Fault="delay=0.1").body == HEALTH
    assert time.monotonic() - begun >= 0.1


def test_a_delayed_answer_waits_even_if_another_request_is_there_already(raw: Raw) -> None:
    first = b"GET /fault/delay=0.1/v1/health HTTP/1.1\r\nHost: x\r\n\r\n"
    then = b"GET /v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    begun = time.monotonic()
    assert raw(first + then).count(HEALTH) == 2
    assert time.monotonic() - begun >= 0.1


def test_hang_never_answers(box: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", box.port), SECONDS) as sock:
        sock.sendall(b"GET /fault/hang/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_reset_is_a_connection_reset(box: Sandbox, closing: Raw) -> None:
    with pytest.raises(ConnectionResetError):
        closing("/v1/health", "reset")
    assert len(box.requests) == 1


def test_close_ends_without_a_byte(closing: Raw) -> None:
    assert closing("/v1/health", "close") == b""


def test_garbage_is_not_http(call: Call) -> None:
    with pytest.raises(http.client.BadStatusLine):
        call("/v1/health", X_Sandbox_Fault="garbage")


def test_drip_sends_the_body_byte_by_byte(box: Sandbox, call: Call) -> None:
    begun = time.monotonic()
    assert call("/v1/health", X_Sandbox_Fault="drip=0.005").body == HEALTH
    assert time.monotonic() - begun >= 0.005 * (len(HEALTH) - 1)
    assert healthy(call)
    assert box.connections == 1


def test_drip_sends_the_head_at_once(box: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", box.port), SECONDS) as sock:
        sock.sendall(b"GET /fault/drip=60/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while not received.endswith(b"\r\n\r\n{"):
            received += sock.recv(65536)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


def test_drip_headers_sends_the_head_byte_by_byte(call: Call, box: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", box.port), SECONDS) as sock:
        sock.sendall(b"GET /fault/drip-headers=60/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(65536) == b"H"
    assert call("/v1/health", X_Sandbox_Fault="drip-headers=0.001").body == HEALTH


def test_retry_after_comes_with_429_or_the_status_given(call: Call) -> None:
    first = call("/v1/health", X_Sandbox_Fault="retry-after=2")
    second = call("/v1/health", X_Sandbox_Fault="status=503;retry-after=7")
    assert (first.status, first.headers["Retry-After"]) == (429, "2")
    assert (second.status, second.headers["Retry-After"]) == (503, "7")


def test_retry_after_can_be_a_date(call: Call) -> None:
    moment = parsedate_to_datetime(
        call("/v1/health", X_Sandbox_Fault="retry-after-date=1000").headers["Retry-After"]
    )
    assert 900 < moment.timestamp() - time.time() < 1100


@pytest.mark.parametrize(
    ("spec", "status"), [("html", 200), ("html=502", 502), ("status=503;html", 503)]
)
def test_html_is_an_error_page(call: Call, spec: str, status: int) -> None:
    answer = call("/v1/health", X_Sandbox_Fault=spec)
    assert (answer.status, answer.headers.get_content_type()) == (status, "text/html")
    assert answer.body.startswith(b"<!doctype html>")


def test_bad_json_says_json_and_is_none(call: Call) -> None:
    answer = call("/v1/health", X_Sandbox_Fault="bad-json")
    assert answer.headers.get_content_type() == "application/json"
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.body)


def test_empty_is_a_200_without_a_body(call: Call) -> None:
    answer = call("/v1/health", X_Sandbox_Fault="empty")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")


def test_nan_is_json_only_for_the_lenient(call: Call) -> None:
    assert b"NaN" in call("/v1/health", X_Sandbox_Fault="nan").body


def test_latin_is_not_utf_8(call: Call) -> None:
    with pytest.raises(UnicodeDecodeError):
        call("/v1/health", X_Sandbox_Fault="latin").body.decode()


def test_short_promises_more_than_it_sends(closing: Raw) -> None:
    head, body = split(closing("/v1/health", "short"))
    assert body == HEALTH
    assert b"content-length: %d" % (len(HEALTH) + 10) in head


def test_long_sends_a_second_answer_nobody_asked_for(closing: Raw) -> None:
    head, body = split(closing("/v1/health", "long"))
    assert b"content-length: %d" % len(HEALTH) in head
    assert body.startswith(HEALTH + b"HTTP/1.1 200 OK\r\n")
    assert body.endswith(b"Content-Length: %d\r\n\r\n%b" % (len(SMUGGLED), SMUGGLED))


def test_truncated_lacks_the_last_chunk(call: Call, closing: Raw) -> None:
    head, body = split(closing("/v1/health", "truncated"))
    assert b"transfer-encoding: chunked" in head
    assert body == b"10\r\n" + HEALTH + b"\r\n"
    with pytest.raises(http.client.IncompleteRead):
        call("/v1/health", X_Sandbox_Fault="truncated")


def test_chunked_is_a_good_chunked_answer_on_a_connection_that_goes_on(
    box: Sandbox, call: Call
) -> None:
    answer = call("/v1/health", X_Sandbox_Fault="chunked")
    assert (answer.headers["Transfer-Encoding"], answer.body) == ("chunked", HEALTH)
    assert healthy(call)
    assert box.connections == 1


@pytest.mark.parametrize(
    ("coding", "undo"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)]
)
def test_a_body_is_compressed(call: Call, coding: str, undo: Callable[[bytes], bytes]) -> None:
    answer = call("/v1/health", X_Sandbox_Fault=coding)
    assert (answer.headers["Content-Encoding"], undo(answer.body)) == (coding, HEALTH)


def test_bad_gzip_says_gzip_and_is_none(call: Call) -> None:
    answer = call("/v1/health", X_Sandbox_Fault="bad-gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    with pytest.raises(zlib.error):
        gzip.decompress(answer.body)


@pytest.mark.parametrize("size", [2, 3, 65_537, 65_538, 65_539, 1_000_000])
def test_huge_is_a_json_text_of_that_size(call: Call, size: int) -> None:
    body = call("/v1/health", X_Sandbox_Fault=f"huge={size}").body
    assert len(body) == size
    assert len(json.loads(body)) == size - 2


def test_huge_can_be_chunked(call: Call) -> None:
    assert len(call("/v1/health", X_Sandbox_Fault="huge=200000;chunked").body) == 200_000


def test_a_gzip_bomb_is_small_and_inflates_to_that_size(call: Call) -> None:
    body = call("/v1/health", X_Sandbox_Fault="gzip-bomb=4000000").body
    assert len(body) < 10_000
    assert len(gzip.decompress(body)) == 4_000_000


def test_stale_answers_well_and_then_closes_silently(
    box: Sandbox, client: http.client.HTTPConnection
) -> None:
    client.request("GET", "/v1/health", headers={"X-Sandbox-Fault": "stale"})
    response = client.getresponse()
    assert (response.read(), response.will_close) == (HEALTH, False)
    assert client.sock.recv(1) == b""


def test_reset_next_answers_well_and_resets_at_the_next_request(box: Sandbox, call: Call) -> None:
    assert call("/v1/health", X_Sandbox_Fault="reset-next").body == HEALTH
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        call("/v1/health")
    assert len(box.requests) == 1


def test_http10_has_no_length_and_ends_with_the_connection(closing: Raw) -> None:
    head, body = split(closing("/v1/health", "http10"))
    assert head.startswith(b"http/1.0 200 ok")
    assert b"content-length" not in head
    assert body == HEALTH


def test_1xx_sends_early_hints_before_the_answer(closing: Raw) -> None:
    hints, answer = closing("/v1/health", "1xx").split(b"\r\n\r\n", 1)
    assert hints.startswith(b"HTTP/1.1 103 Early Hints")
    assert answer.startswith(b"HTTP/1.1 200 OK")


def test_words_work_together(call: Call) -> None:
    answer = call("/v1/health", X_Sandbox_Fault="delay=0.01;status=503;gzip;chunked;drip=0.0001")
    assert answer.status == 503
    assert json.loads(gzip.decompress(answer.body))["error"]


@pytest.mark.parametrize(
    "spec", ["huge=1000", "chunked", "gzip", "long", "status=204", "status=304;chunked"]
)
def test_an_answer_that_has_no_body_has_none_under_a_fault(
    box: Sandbox, call: Call, spec: str
) -> None:
    assert call("/v1/health", "HEAD", X_Sandbox_Fault=spec).body == b""
    assert healthy(call)
    assert box.connections == 1
