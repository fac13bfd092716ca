"""Answers are read as generously as curl and requests read them: the same bytes to each of the
three.
"""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pytest
import requests

from gateway.errors import GatewayError
from tests.gateway.fakes import Gate, Wire, answer, service

OpenGate = Callable[..., Gate]
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
ZIPPED = gzip.compress(b"hello")
REFUSED = None
ANY = "*"  # curl's releases differ


@dataclass(frozen=True)
class Row:
    """One answer on the wire, and what is read of it: a text, or None where it is refused.

    :param again: whether we use the connection once more.
    """

    raw: bytes
    postern: str | None
    curl: str | None
    requests: str | None
    reused: bool = False


def zipped(body: bytes, coding: str = "gzip") -> bytes:
    return answer(body, "200 OK", f"Content-Encoding: {coding}")


#: In alphabetical order of what is odd. Where we are stricter than both, RFC 9112 asks for it.
TABLE = {
    "as it should be": Row(answer(b"hello", "200 OK"), "hello", "hello", "hello", True),
    "bare LF": Row(b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello", "hello", "hello"),
    "bare LF in chunks": Row(
        b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n", "hello", "hello", REFUSED
    ),
    "bare CR in a header": Row(
        OK + b"X: a\rContent-Length: 3\r\n\r\nhello", REFUSED, "hello", "hel"
    ),
    "blank before a colon": Row(OK + b"Content-Length : 5\r\n\r\nhello", "hello", "hello", "hello"),
    "chunk size, padded": Row(
        CHUNKED + b"\r\n5   \r\nhello\r\n0\r\n\r\n", "hello", "hello", "hello", True
    ),
    "chunk extension": Row(
        CHUNKED + b"\r\n5;a=b\r\nhello\r\n0\r\n\r\n", "hello", "hello", "hello", True
    ),
    "chunks, cut short": Row(CHUNKED + b"\r\n5\r\nhel", REFUSED, REFUSED, REFUSED),
    "chunks without the last line end": Row(
        CHUNKED + b"\r\n5\r\nhello\r\n0\r\n", "hello", ANY, "hello"
    ),
    "chunks and a length": Row(
        CHUNKED + b"Content-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n", REFUSED, "hello", "hello"
    ),
    "coding of the transfer: identity": Row(
        OK + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
        "hello",
        ANY,
        "hello",
        True,
    ),
    "coding of the transfer: gzip": Row(
        OK + b"Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", REFUSED, REFUSED, "hello"
    ),
    "coding: a charset": Row(zipped(b"hello", "UTF-8"), "hello", REFUSED, "hello", True),
    "coding: none": Row(zipped(b"hello", "none"), "hello", "hello", "hello", True),
    "coding: binary": Row(zipped(b"hello", "binary"), "hello", REFUSED, "hello", True),
    "coding: one that we do not know": Row(zipped(b"hello", "zstd"), REFUSED, REFUSED, REFUSED),
    "gzip": Row(zipped(ZIPPED), "hello", "hello", "hello", True),
    "gzip and NULs": Row(zipped(ZIPPED + bytes(16)), "hello", ANY, "hello", True),
    "gzip and a line end": Row(zipped(ZIPPED + b"\r\n"), "hello", ANY, "hello", True),
    "gzip, cut short": Row(zipped(ZIPPED[:-12]), REFUSED, ANY, "he"),
    "header, folded": Row(
        OK + b"X: a\r\n b\r\nContent-Length: 5\r\n\r\nhello", "hello", "hello", "hello"
    ),
    "header with a control character": Row(
        OK + b"X: a\x01b\r\nContent-Length: 5\r\n\r\nhello", "hello", "hello", "hello"
    ),
    "header with brackets": Row(
        OK + b"X[1]: a\r\nContent-Length: 5\r\n\r\nhello", "hello", "hello", "hello"
    ),
    "header with a blank": Row(
        OK + b"X Y: a\r\nContent-Length: 5\r\n\r\nhello", "hello", "hello", "hello"
    ),
    "header with a NUL": Row(
        OK + b"X: a\0\r\nContent-Length: 5\r\n\r\nhello", REFUSED, REFUSED, "hello"
    ),
    "header without a colon": Row(
        OK + b"X\r\nContent-Length: 5\r\n\r\nhello", REFUSED, REFUSED, "hello"
    ),
    "length twice": Row(
        OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "hello", "hello", "hello"
    ),
    "length twice in one": Row(
        OK + b"Content-Length: 5, 5\r\n\r\nhello", "hello", "hello", "hello"
    ),
    "two lengths": Row(
        OK + b"Content-Length: 5\r\nContent-Length: 3\r\n\r\nhello", REFUSED, ANY, REFUSED
    ),
    "length that is none": Row(
        OK + b"Content-Length: five\r\n\r\nhello", REFUSED, REFUSED, "hello"
    ),
    "no length": Row(OK + b"\r\nhello", "hello", "hello", "hello"),
    "no reason": Row(
        b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "hello", "hello", "hello", True
    ),
    "not HTTP": Row(b"hello\r\n\r\n", REFUSED, REFUSED, REFUSED),
    "status of four digits": Row(
        b"HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello", REFUSED, REFUSED, REFUSED
    ),
}


def by_us(open_gate: OpenGate, url: str) -> str | None:
    at = open_gate({"s": service(url, methods={"m": {"http": "GET /", "response": "text"}})})
    try:
        return str(at.ask())
    except GatewayError as error:
        assert error.code == -1005
        return REFUSED


def by_curl(url: str) -> str | None:
    command = ["curl", "-q", "-s", "--noproxy", "*", "--compressed", "--max-time", "30", url]
    done = subprocess.run(command, capture_output=True, check=False)
    return REFUSED if done.returncode else done.stdout.decode()


def by_requests(url: str) -> str | None:
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=30).content.decode()
        except requests.RequestException:
            return REFUSED


@pytest.mark.parametrize("name", TABLE)
def test_an_answer_is_read_as_curl_and_requests_read_it(open_gate: OpenGate, name: str) -> None:
    row = TABLE[name]
    read = []
    for client in (partial(by_us, open_gate), by_curl, by_requests):
        with Wire([row.raw], "close") as server:
            read.append(client(server.url))
    assert read == [row.postern, read[1] if row.curl == ANY else row.curl, row.requests]


@pytest.mark.parametrize("name", TABLE)
def test_a_connection_serves_again_only_after_an_answer_that_is_read_in_one_way(
    open_gate: OpenGate, name: str
) -> None:
    row = TABLE[name]
    patience = {} if row.reused else {"timeout": {"read": 0.5}}  # some answers never end
    with Wire([row.raw, answer(b"next", "200 OK")], "close") as server:
        methods = {"m": {"http": "GET /", "response": "text", **patience}}
        at = open_gate({"s": service(server.url, methods=methods)})
        for _ in range(2):
            with suppress(GatewayError):
                at.ask()
        assert (server.connections == 1) is row.reused


JSON = '{"name":"北京"}'


@pytest.mark.parametrize(
    "label",
    ["ISO-8859-1", "none", "UTF_8", "unicode", "utf8mb4", "'utf-8'", "binary", "cp65001", "gbk", "us-ascii", ""],
)  # fmt: skip
def test_json_in_utf_8_is_that_whatever_its_label_says(open_gate: OpenGate, label: str) -> None:
    raw = answer(JSON.encode(), "200 OK", f"Content-Type: application/json;charset={label}")
    with Wire([raw]) as server:
        at = open_gate({"s": service(server.url, methods={"m": {"http": "GET /"}})})
        assert at.ask() == json.loads(JSON)


@pytest.mark.parametrize(
    ("label", "codec"), [("gbk", "gbk"), ("ISO-8859-1", "latin-1"), ("utf-16le", "utf-16-le")]
)
def test_json_in_another_charset_is_read_by_its_label(
    open_gate: OpenGate, label: str, codec: str
) -> None:
    text = '{"name":"é"}' if codec == "latin-1" else JSON
    raw = answer(text.encode(codec), "200 OK", f"Content-Type: application/json;charset={label}")
    with Wire([raw]) as server:
        at = open_gate({"s": service(server.url, methods={"m": {"http": "GET /"}})})
        assert at.ask() == json.loads(text)


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n", b" \t\n "])
@pytest.mark.parametrize("response", ["json", "xml"])
def test_an_answer_of_blanks_alone_is_null(open_gate: OpenGate, response: str, body: bytes) -> None:
    with Wire([answer(body, "200 OK")]) as server:
        at = open_gate(
            {"s": service(server.url, methods={"m": {"http": "GET /", "response": response}})}
        )
        assert at.ask() is None
