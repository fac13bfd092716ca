"""Heads are read as gunicorn's own parser reads them, but for what is told below: a differential test."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import create
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import CallerError
from server.request_head import HeadParser, check_beginning

Outcome = tuple[Any, ...] | None
PEER = ("127.0.0.1", 1)
SECURE = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_SSL": "on"}

#: Two lines of one name. Of the first gunicorn refuses both, here it is not https; of the second it takes the first,
#: here the connection is closed.
CONTRADICTIONS = (
    {b"X-Forwarded-Ssl: on", b"X-Forwarded-Ssl: off"},
    {b"Connection: close", b"Connection: keep-alive"},
)
_WORDS = st.sampled_from(
    [
        b"GET", b"POST", b"HEAD", b"OPTIONS", b"get", b"G", b"PR#P", b"CONNECT", b" ", b"  ", b"\t", b"/",
        b"*", b"/a%20b", b"//x/y", b"/a?b#c?d", b"/a#b?c", b"http://h/p?q", b"http://[/p", b"h:443", b"?",
        b"/\xc3\xa4", b"/\xff", b"/\x7f", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1",
        b"\r\n", b"\n", b"\r", b"Host: h\r\n", b"host: h:80\r\n", b"Host: [::1]:80\r\n", b"Host: a b\r\n",
        b"Host:\r\n", b"X: y\r\n", b"X : y\r\n", b" X: y\r\n", b"X:\x00\r\n", b"X: \xe9\t\r\n", b"X_Y: z\r\n",
        b"X", b"Content-Length: 5\r\n", b"Content-Length: +5\r\n", b"Content-Length: \xb2\r\n",
        b"Content-Length: 5,5\r\n", b"content-length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: xchunked\r\n", b"Expect: 100-continue\r\n",
        b"Expect: 200-ok\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Cookie: a=1\r\n",
        b"X-Forwarded-Proto: https\r\n", b"X-Forwarded-Ssl: off\r\n", b"X-Forwarded-Ssl: on\r\n",
        b"Content-Type: a/b\r\n",
    ]
)  # fmt: skip
_GOOD_LINES = st.sampled_from(
    [b"GET / HTTP/1.1\r\n", b"POST /a?b HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n"]
)
_LINES = st.builds(
    b"%b %b %b\r\n".__mod__,
    st.tuples(
        st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"get"]),
        st.sampled_from(
            [
                b"/",
                b"*",
                b"/a%20b?c#d",
                b"//x/y",
                b"http://h/p?q",
                b"http://h:80?q",
                b"HTTPS://i/p",
                b"http://i:1",
                b"http://h",
                b"http://u@h/p",
                b"http:///p",
                b"://h/p",
                b"http:/p",
                b"http://[/p",
                b"h:443",
                b"p",
            ]
        ),
        st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0"]),
    ),
)
_HEADS = st.one_of(
    st.tuples(_LINES, st.lists(_WORDS, max_size=4).map(b"".join)).map(b"".join),
    st.tuples(_LINES, st.just(b"Host: h\r\n"), st.lists(_WORDS, max_size=4).map(b"".join)).map(b"".join),
    st.lists(_WORDS, max_size=8).map(b"".join),
    st.tuples(_GOOD_LINES, st.lists(_WORDS, max_size=8).map(b"".join)).map(b"".join),
    st.tuples(_GOOD_LINES, st.just(b"Host: h\r\n"), st.lists(_WORDS, max_size=8).map(b"".join)).map(b"".join),
    st.tuples(st.just(b"GET "), st.binary(max_size=12), st.just(b" HTTP/1.1\r\nHost: h\r\n")).map(b"".join),
    st.tuples(st.just(b"GET / HTTP/1.1\r\nHost: h\r\n"), st.binary(max_size=40)).map(b"".join),
)  # fmt: skip


@pytest.fixture(scope="module")
def config() -> Config:
    config = Config()
    config.set("forwarder_headers", "")
    config.set("http_parser", "python")
    return config


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(head=_HEADS)
def test_a_head_is_accepted_refused_and_read_as_gunicorn_does(config: Config, head: bytes) -> None:
    data = head + b"\r\n\r\n"
    if data.startswith(b"\r\n\r\n"):
        return  # two empty lines: both refuse them, one of them later
    if any(both <= set(head.split(b"\r\n")) for both in CONTRADICTIONS):
        return
    if b"gzip, chunked" in head:
        return  # gunicorn leaves gzip to the application
    theirs = _with_authority(_theirs(config, data))
    if not data.partition(b"\r\n\r\n")[0].isascii() and theirs is None:
        return  # raw UTF-8 in a target, which tests/e2e/incoming/test_heads.py has
    assert _parsed(data) == theirs


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity, chunked", "identity", "chunked, "])
def test_of_transfer_codings_only_chunked_is_taken(coding: str) -> None:
    head = f"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {coding}".encode()
    assert _parsed(head + b"\r\n\r\n") is None


def _parsed(data: bytes) -> Outcome:
    head = data.removeprefix(b"\r\n").partition(b"\r\n\r\n")[0]
    environ: dict[str, Any] = {"wsgi.url_scheme": "http"}
    try:
        check_beginning(head + b"\r\n")
        request = HeadParser(SECURE).parse(head, environ, trusted=True)
    except CallerError:
        return None
    names = ("REQUEST_METHOD", "RAW_URI", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL")
    facts = {key: value for key, value in environ.items() if key.startswith(("HTTP_", "CONTENT_"))}
    return (
        *(environ[name] for name in names),
        facts,
        environ["wsgi.url_scheme"],
        request.length,
        request.keep_alive,
        request.expects_continue,
    )


def _theirs(config: Config, data: bytes) -> Outcome:
    try:
        request = GunicornRequest(config, IterUnreader([data]), PEER)
        if request._expected_100_continue:
            expects, request._expected_100_continue = True, False
        else:
            expects = False
        _, environ = create(request, None, PEER, ("h", 80), config)
    except (ParseException, StopIteration):
        return None
    names = ("REQUEST_METHOD", "RAW_URI", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL")
    facts = {key: value for key, value in environ.items() if key.startswith(("HTTP_", "CONTENT_"))}
    if cookies := [value for name, value in request.headers if name == "COOKIE"]:
        facts["HTTP_COOKIE"] = "; ".join(cookies)
    length = None
    if not any(name == "TRANSFER-ENCODING" for name, _ in request.headers):
        length = int(environ.get("CONTENT_LENGTH", "0"))
    return (
        *(environ[name] for name in names),
        facts,
        environ["wsgi.url_scheme"],
        length,
        not request.should_close(),
        expects,
    )


def _with_authority(outcome: Outcome) -> Outcome:
    """Refuse bad hosts, which gunicorn leaves to the application; take the host and the path of a URL as RFC 9112 has it."""
    if outcome is None or not _host_is_good(outcome):
        return None
    verb, target, path, query, version, facts, *rest = outcome
    if target == "*" or target.startswith("/"):
        return outcome
    if verb == "CONNECT":
        path, query = target, ""
    else:
        parts = urlsplit(target)
        if not parts.scheme or parts.netloc not in ("h", "h:80", "i", "i:1"):
            return None
        path = path or "/"
        facts = {**facts, "HTTP_HOST": parts.netloc}
    return (verb, target, path, query, version, facts, *rest)


def _host_is_good(outcome: tuple[Any, ...]) -> bool:
    host = outcome[5].get("HTTP_HOST", "")
    if not host:
        return bool(outcome[4] == "HTTP/1.0")
    return host in ("h", "h:80", "[::1]:80")
