"""What a catalog may say of streams and proxied requests, and what the gateway itself keeps of its promises there."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.catalog.loader import CatalogError
from gateway.errors import (
    BadResponse,
    GatewayError,
    InvalidParams,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ReadTimeout,
    TooManyCalls,
)
from gateway.http.headers import strip_hop_by_hop
from gateway.http.paths import has_dot_segments, path_allowed
from gateway.messages import Caller
from gateway.streams import PassthroughRequest, RequestStream, ResponseStream
from sandbox import Sandbox
from sandbox.keys import MERCHANT_PRIVATE_KEY, VENDOR_PUBLIC_KEY
from tests.gateway.fakes import (
    FakeClock,
    Gate,
    Wire,
    answer,
    comes_true,
    make_call,
    make_catalog,
    service,
)

Open = Callable[..., Gate]
STREAM = {"http": "GET /", "stream": True}


def opened(at: Gate, **how: Any) -> ResponseStream:
    return at.gateway.call(make_call(inbound=PassthroughRequest(**how))).data


def upload(*chunks: bytes, length: int | None = None) -> RequestStream:
    return RequestStream(chunks, lambda: b"".join(chunks), length)


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ({"http": "GET /", "stream": True, "cache": {"ttl": 1}}, "what is streamed cannot be kept"),
        ({"http": "GET /", "fallback": {"call": "s.other"}}, "s.other streams, and this method does not"),
    ],
)  # fmt: skip
def test_what_cannot_be_streamed_is_refused_when_the_catalog_loads(method: Any, says: str) -> None:
    with pytest.raises(CatalogError, match=says):
        make_catalog({"s": service("http://a.example", methods={"m": method, "other": STREAM})})


def test_what_a_streamed_body_holds_may_be_told_and_is_not_checked() -> None:
    parts = {
        "file": {"type": "string", "format": "binary", "required": True},
        "to": {"type": "string", "in": "query"},
    }
    method = {"http": "POST /anything", "stream": True, "body": "multipart", "params": parts}
    catalog = make_catalog({"s": service("http://a.example", methods={"m": method})})
    assert [param.name for param in catalog.services["s"].methods["m"].params] == ["to"]
    assert tuple(map(str, catalog.notes)) == (
        "services.s.methods.m.params.file: not checked, as the body is streamed as it comes",
    )


ALIPAY = {
    "type": "alipay",
    "app_id": "1",
    "private_key": MERCHANT_PRIVATE_KEY,
    "alipay_public_key": VENDOR_PUBLIC_KEY,
}
DIGEST = {"type": "digest", "secret": "s", "sign": "{params}{secret}", "name": "sign"}
IN_BODY = {"type": "api_key", "in": "body", "name": "key", "value": "s"}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"auth": ALIPAY, "proxy": True}, "services.s.proxy: requests with auth: alipay cannot be proxied"),
        ({"auth": DIGEST, "proxy": ["/a/*"]}, "services.s.proxy: requests with auth: digest cannot be proxied"),
        ({"auth": ALIPAY, "methods": {"m": STREAM}}, "services.s.methods.m.stream: auth: alipay needs the whole of it"),
        ({"auth": DIGEST, "methods": {"m": {"http": "POST /", "stream": True, "body": {"type": "raw"}}}},
         "services.s.methods.m.stream: auth: digest needs the whole of it"),
        ({"auth": IN_BODY, "proxy": True}, "services.s.proxy: requests with auth: api_key cannot be proxied"),
        ({"auth": IN_BODY, "methods": {"m": {"http": "POST /", "body": "raw"}}},
         "services.s.methods.m.body: auth: api_key adds to the body's members, and this body has none"),
        *(
            ({"auth": {**DIGEST, **more}, "methods": {"m": {"http": "POST /", "body": "raw"}}},
             "services.s.methods.m.body: auth: digest adds to the body's members, and this body has none")
            for more in ({}, {"in": "header", "add": {"at": "{unix}"}})
        ),
    ],
)  # fmt: skip
def test_what_needs_the_whole_request_or_answer_is_neither_proxied_nor_streamed(
    settings: Any, says: str
) -> None:
    with pytest.raises(CatalogError, match=says):
        make_catalog({"s": service("http://a.example", **settings)})


@pytest.mark.parametrize("place", ["header", "query"])
def test_a_digest_that_adds_nothing_to_the_body_may_sign_a_raw_one(place: str) -> None:
    methods = {"m": {"http": "POST /", "body": "raw"}}
    auth = {**DIGEST, "in": place, "sign": "{body}{secret}"}
    catalog = make_catalog({"s": service("http://a.example", auth=auth, methods=methods)})

    assert catalog.services["s"].methods["m"].body == "raw"
    assert catalog.services["s"].auth["in"] == place


def test_which_paths_are_proxied_and_what_is_rewritten_may_be_said_together() -> None:
    proxies = {
        "a": True,
        "b": ["/v1/*"],
        "c": {"paths": ["/v1/*"], "rewrite": False},
        "d": {"rewrite": "body"},
        "e": {},
    }
    catalog = make_catalog(
        {name: service("http://a.example", proxy=proxy) for name, proxy in proxies.items()}
    )
    services = catalog.services.items()
    assert {name: (entry.proxy, entry.rewrites, entry.rewrites_body) for name, entry in services} == {
        "a": (("/*",), True, False), "b": (("/v1/*",), True, False), "c": (("/v1/*",), False, False),
        "d": (("/*",), True, True), "e": (("/*",), True, False),
    }  # fmt: skip
    assert catalog.notes == ()


@pytest.mark.parametrize(
    ("proxy", "says"),
    [
        ({"path": ["/*"]}, "did you mean 'paths'"),
        ({"paths": ["v1"]}, "must be a path's pattern"),
        ({"rewrite": "headers"}, "must be true, false or body"),
    ],
)
def test_a_proxy_that_says_something_else_is_refused(proxy: Any, says: str) -> None:
    with pytest.raises(CatalogError, match=says):
        make_catalog({"s": service("http://a.example", proxy=proxy)})


@pytest.mark.parametrize(
    ("verb", "sent", "not_again"),
    [("POST", True, True), ("POST", False, False), ("GET", True, False)],
)
def test_what_may_have_been_done_and_may_not_be_done_twice_says_so(
    open_gate: Open, verb: str, sent: bool, not_again: bool
) -> None:
    with Wire([b""]) as server:
        url = server.url if sent else "http://127.0.0.1:9"
        at = open_gate({"s": service(url, proxy=True)})
        with pytest.raises(GatewayError) as failed:
            at.gateway.proxy(make_call("proxy", inbound=PassthroughRequest(verb=verb, path="/x")))
        assert (failed.value.code, failed.value.unsafe_to_repeat) == (-1003, not_again)


def test_a_method_may_not_have_the_name_of_proxied_requests() -> None:
    with pytest.raises(CatalogError, match="stands for proxied requests"):
        make_catalog(
            {"s": service("http://a.example", proxy=True, methods={"proxy": {"http": "GET /"}})}
        )


def test_a_stream_read_to_its_end_keeps_the_connection(open_gate: Open) -> None:
    with Wire([answer(b"one"), answer(b"two")]) as server:
        at = open_gate({"s": service(server.url, methods={"m": STREAM})})
        assert [b"".join(opened(at)), b"".join(opened(at))] == [b"one", b"two"]
        assert server.connections == 1


def test_the_place_of_a_stream_is_held_while_it_flows_and_not_much_longer(open_gate: Open) -> None:
    """Of a worker that dies nobody gives the place back."""
    clock = FakeClock()
    with Wire([answer(b"x" * 100)[:-50], answer(b"y")]) as server:
        settings = service(
            server.url, concurrency=1, timeout={"connect": 20, "read": 10}, methods={"m": STREAM}
        )
        at = open_gate({"s": settings}, clock=clock)
        flowing = opened(at)
        for _ in range(4):
            clock.advance(9)
            with pytest.raises(TooManyCalls):
                opened(at)
            flowing.piece_callback()
        clock.advance(22)
        assert b"".join(opened(at)) == b"y"


def test_a_stream_that_is_closed_hangs_up_and_says_nothing_against_the_service(
    open_gate: Open,
) -> None:
    with Wire([answer(b"x" * 100)[:-50], answer(b"two")]) as server:
        at = open_gate({"s": service(server.url, breaker={"min_calls": 1}, methods={"m": STREAM})})
        opened(at).close()
        assert b"".join(opened(at)) == b"two"
        assert server.connections == 2


def test_streams_that_break_off_open_the_breaker(open_gate: Open) -> None:
    with Wire([answer(b"x" * 100)[:-50]], "close") as server:
        at = open_gate({"s": service(server.url, breaker={"min_calls": 1}, methods={"m": STREAM})})
        stream = opened(at)
        with pytest.raises(BadResponse):
            list(stream)
        assert at.breaker == "open"


def test_the_answer_to_a_probe_closes_the_breaker_at_its_first_byte(
    open_gate: Open, clock: Any
) -> None:
    with Wire([answer(b"{}", "500 Oh"), answer(b"x" * 10)[:-5]]) as server:
        settings = {"min_calls": 1, "open_for": 5}
        at = open_gate(
            {"s": service(server.url, breaker=settings, methods={"m": STREAM})}, clock=clock
        )
        with pytest.raises(Exception, match="failed"):
            opened(at)
        clock.advance(6)
        stream = opened(at)
        assert at.breaker == "closed"
        stream.close()


def test_an_upload_that_has_begun_is_not_sent_again(open_gate: Open) -> None:
    method = {
        "http": "PUT /",
        "stream": True,
        "body": "raw",
        "retry": {"times": 2, "backoff": 0.001},
    }
    with Wire([b""], "close") as server:
        at = open_gate({"s": service(server.url, methods={"m": method})})
        with pytest.raises((OutcomeUnknown, BadResponse)):
            opened(at, body=upload(b"a" * 70000, b"b", length=70001))
        assert server.connections == 1


def test_a_service_that_answers_before_the_end_of_an_upload_is_heard(open_gate: Open) -> None:
    method = {"http": "POST /", "stream": True, "body": "raw", "response": "bytes"}

    def chunks() -> Any:
        yield b"a" * 70000
        assert comes_true(lambda: server.answers_sent)
        yield from [b"b" * 70000] * 100

    with Early() as server:
        at = open_gate({"s": service(server.url, methods={"m": method})})
        body = RequestStream(chunks(), bytes, None)
        with pytest.raises(Exception, match="said no"):
            opened(at, body=body)


class Early(Wire):
    """Answers as soon as the head is there."""

    def __init__(self) -> None:
        super().__init__([])
        self.answers_sent = 0

    def _serve(self, sock: Any) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        sock.sendall(answer(b"", "413 Too Large"))
        self.answers_sent += 1
        while sock.recv(65536):
            pass


def proxied(at: Gate, path: str, *, caller: Caller | None = None, **how: Any) -> ResponseStream:
    inbound = PassthroughRequest(verb=how.pop("verb", "GET"), path=path, **how)
    return at.gateway.proxy(
        make_call("proxy", inbound=inbound, **({"caller": caller} if caller else {}))
    )


def test_the_services_credential_takes_the_place_of_a_parameter_of_its_name(
    open_gate: Open, box: Sandbox
) -> None:
    auth = {"type": "api_key", "in": "query", "name": "key", "value": "ours-1234"}
    at = open_gate({"s": service(box.url, proxy=True, auth=auth)})
    b"".join(proxied(at, "/anything", query="a=%7e&k%65y=theirs&b"))
    assert box.requests[-1].target == "/anything?a=%7e&b&key=ours-1234"


def test_the_callers_limit_counts_proxied_requests(open_gate: Open, box: Sandbox) -> None:
    at, caller = (
        open_gate({"s": service(box.url, proxy=True)}),
        Caller("app:x", allow=("s.proxy",), rate="1/hour"),
    )
    b"".join(proxied(at, "/items", caller=caller))
    with pytest.raises(RateLimited):
        proxied(at, "/items", caller=caller)


def test_what_is_not_declared_is_not_proxied(open_gate: Open, box: Sandbox) -> None:
    at = open_gate({"s": service(box.url, proxy=["/v1/*"])})
    with pytest.raises(NotFound):
        proxied(at, "/v2/x")
    assert box.requests == []


def test_hop_by_hop_headers_and_those_named_by_connection_are_dropped() -> None:
    pairs = [
        ("Connection", "X-A, keep-alive"),
        ("X-a", "1"),
        ("Set-Cookie", "1"),
        ("TE", "x"),
        ("Set-Cookie", "2"),
    ]
    assert strip_hop_by_hop(pairs) == (("Set-Cookie", "1"), ("Set-Cookie", "2"))


@pytest.mark.parametrize(
    "path",
    ["/..", "/a/../b", "/%2e%2E/", "/a%2f..%2fb", "/a%5c..", "/%252e%252e", "/..;x/", "/./a"],
)
def test_a_path_that_climbs_is_seen(path: str) -> None:
    assert has_dot_segments(path)


@pytest.mark.parametrize("path", ["/a..b", "/...", "/a%2Fb", "/.well-known/x", "/a/b.", ""])
def test_a_path_that_does_not_climb_passes(path: str) -> None:
    assert not has_dot_segments(path)


def test_a_pattern_covers_what_is_below_it_only() -> None:
    assert path_allowed("/v3/a/b", ["/v3/*"]) and path_allowed("", ["/*"])
    assert (
        not path_allowed("/v3", ["/v3/*"])
        and not path_allowed("/v33/a", ["/v3/*"])
        and not path_allowed("/%763/a", ["/v3/*"])
    )


def test_an_answer_that_is_here_whole_holds_no_place_at_the_service(
    open_gate: Open, box: Sandbox
) -> None:
    at = open_gate({"s": service(box.url, proxy=True, concurrency=1)})
    first = proxied(at, "/bytes/10")
    second = proxied(at, "/bytes/20")
    assert (b"".join(first), b"".join(second)) == (b"x" * 10, b"x" * 20)


def test_a_failure_that_drips_does_not_outlast_the_attempts_time(gate: Open) -> None:
    at = gate("GET /fault/status=500;drip=0.3/anything", stream=True, timeout={"read": 1})
    with pytest.raises(ReadTimeout):
        opened(at)


def test_a_proxied_failure_that_drips_is_passed_on_as_it_comes(
    open_gate: Open, box: Sandbox
) -> None:
    at = open_gate({"s": service(box.url, proxy=True, timeout={"read": 5})})
    began = time.monotonic()
    stream = proxied(at, "/fault/status=500;drip=3/anything")  # 130 s and more to its end
    assert (stream.status, time.monotonic() - began < 60) == (500, True)
    assert next(stream).startswith(b"{")
    stream.close()


def test_a_status_below_100_is_a_bad_response(open_gate: Open) -> None:
    with Wire([answer(b"hi", "000 X")] * 2) as server:
        at = open_gate({"s": service(server.url, proxy=True, methods={"m": STREAM})})
        with pytest.raises(BadResponse):
            opened(at)
        with pytest.raises(BadResponse):
            proxied(at, "/x")


@pytest.mark.parametrize(
    ("raw", "lengths"),
    [
        (b"200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", ["2"]),
        (b"200 OK\r\nContent-Length: 2\r\nX: y\r\ncontent-length: 2\r\n\r\nhi", ["2"]),
        (b"304 Not Modified\r\nContent-Length: two\r\n\r\n", []),
    ],
)
def test_what_is_passed_on_has_one_length_that_is_a_number(
    open_gate: Open, raw: bytes, lengths: list[str]
) -> None:
    with Wire([b"HTTP/1.1 " + raw] * 2) as server:
        at = open_gate({"s": service(server.url, proxy=True, methods={"m": STREAM})})
        for stream in (opened(at), proxied(at, "/x")):
            passed = [value for name, value in stream.headers if name.lower() == "content-length"]
            assert passed == lengths
            stream.close()


def test_a_transfer_coding_nobody_asked_for_is_a_bad_response(open_gate: Open) -> None:
    coded = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    with Wire([coded]) as server:
        at = open_gate({"s": service(server.url, proxy=True)})
        with pytest.raises(BadResponse):
            proxied(at, "/x")


def test_a_query_that_must_be_signed_and_is_not_utf_8_is_refused_not_changed(
    open_gate: Open, box: Sandbox
) -> None:
    auth = {"type": "hmac", "secret": "s", "sign": "{query}", "headers": {"X-Sign": "{signature}"}}
    at = open_gate({"s": service(box.url, proxy=True, auth=auth)})
    with pytest.raises(InvalidParams):
        proxied(at, "/anything", query="q=%D6%D0")
    b"".join(proxied(at, "/anything", query="q=%E4%B8%AD"))
    assert [request.target for request in box.requests] == ["/anything?q=%E4%B8%AD"]


def test_an_expired_token_is_seen_in_a_compressed_answer_too(open_gate: Open) -> None:
    auth = {"type": "app_secret", "app_id": "a", "secret": "s", "token_url": "/token"}
    token, json = (
        answer(b'{"access_token": "t", "expires_in": 7200}'),
        "Content-Type: application/json",
    )
    expired = answer(gzip.compress(b'{"errcode": 40001}'), "200 OK", json, "Content-Encoding: gzip")
    well = gzip.compress(b'{"errcode": 0}')
    with Wire(
        [token, expired, token, answer(well, "200 OK", json, "Content-Encoding: gzip")]
    ) as server:
        at = open_gate({"s": service(server.url, proxy=True, envelope="wechat", auth=auth)})
        assert b"".join(proxied(at, "/x")) == well
        assert len(server.heard) == 4
