"""What a call has read is freed with its last use: nothing of it is left for the cyclic garbage
collector.
"""

from __future__ import annotations

import gc
import gzip
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.http.response.head import MAX_HEAD_BYTES
from gateway.http.response.parser import ResponseParser
from gateway.streams import PassthroughRequest, RequestStream
from tests.garbage import garbage
from tests.gateway.fakes import Gate, Wire, answer, make_call, service

pytestmark = pytest.mark.slow

OpenGate = Callable[..., Gate]
Run = Callable[[Gate], Any]
GOOD = answer(b'{"a": 1}', "200 OK")
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BOMB = answer(gzip.compress(b"x" * 100_000), "200 OK", "Content-Encoding: gzip")
MAX_2000_BYTES = {"max_response": 2000}
ROWS = {"by": "link", "items": "rows"}
COUNTED = {"by": "page", "param": "x"}
ONCE_MORE = {"retry": {"times": 1, "backoff": 0.01, "on": ["timeout", 500]}}


def plain(at: Gate) -> Any:
    return at.ask()


def streamed(at: Gate) -> Any:
    return b"".join(at.ask(inbound=PassthroughRequest()))


def abandoned(at: Gate) -> None:
    stream = at.ask(inbound=PassthroughRequest())
    next(stream)
    stream.close()


def uploaded(at: Gate) -> Any:
    return at.ask(
        inbound=PassthroughRequest(
            body=RequestStream(iter([b"x" * 70_000, b"y"]), lambda: b"", 70_001)
        )
    )


def proxied(at: Gate) -> Any:
    return b"".join(
        at.gateway.proxy(replace(make_call(), inbound=PassthroughRequest(verb="GET", path="/x")))
    )


def gathered(at: Gate) -> Any:
    return at.ask(all_pages=True)


def batched(at: Gate) -> Any:
    return at.gateway.call_batch({"a": make_call(), "b": make_call()})


PATHS: dict[str, tuple[bytes, Run, dict[str, Any]]] = {
    "good": (GOOD, plain, {}),
    "chunked": (CHUNKED + b"5\r\n[1,2]\r\n0\r\n\r\n", plain, {}),
    "not HTTP": (b"hello\r\n\r\n", plain, {}),
    "not JSON": (answer(b'{"a": 1', "200 OK"), plain, {}),
    "not XML": (answer(b"<a>1", "200 OK"), plain, {"response": "xml"}),
    "over-size": (answer(b"x" * 3000, "200 OK"), plain, {"on": MAX_2000_BYTES}),
    "over-size in chunks": (
        CHUNKED + b"800\r\n" + b"x" * 0x800 + b"\r\n0\r\n\r\n",
        plain,
        {"on": MAX_2000_BYTES},
    ),
    "bomb": (BOMB, plain, {"on": MAX_2000_BYTES}),
    "not compressed": (answer(b"xxxx", "200 OK", "Content-Encoding: deflate"), plain, {}),
    "timed out": (CUT, plain, {"timeout": {"read": 0.1}}),
    "timed out twice": (CUT, plain, {"timeout": {"read": 0.1}, **ONCE_MORE}),
    "too late": (CUT, plain, {"deadline": 0.1}),
    "failed twice": (answer(b"{}", "500 No"), plain, ONCE_MORE),
    "rejected": (answer(b"{}", "404 No"), plain, {}),
    "replaced": (answer(b"{}", "500 No"), plain, {"fallback": {"static": []}}),
    "failed for all who asked": (answer(b"{}", "500 No"), plain, {"cache": {"ttl": 60}}),
    "once under a key": (
        answer(b"{}", "500 No"),
        lambda at: at.ask(idempotency_key="k" * 20),
        {"http": "POST /"},
    ),
    "wrong parameters": (GOOD, lambda at: at.ask("m", {"no": 1}), {}),
    "unknown method": (GOOD, lambda at: at.ask("n"), {}),
    "unknown service": (GOOD, lambda at: at.gateway.call(make_call(service="t")), {}),
    "unknown aggregate": (GOOD, lambda at: at.gateway.aggregate("a", {}, make_call()), {}),
    "streamed": (GOOD, streamed, {"stream": True}),
    "streamed, rejected": (answer(b"{}", "404 No"), streamed, {"stream": True}),
    "streamed, timed out": (CUT, streamed, {"stream": True, "timeout": {"read": 0.1}}),
    "streamed, left": (CUT, abandoned, {"stream": True}),
    "uploaded": (GOOD, uploaded, {"stream": True, "body": "raw", "http": "POST /"}),
    "proxied": (GOOD, proxied, {"on": {"proxy": True}}),
    "proxied, failed twice": (
        answer(b"{}", "500 No"),
        proxied,
        {"on": {"proxy": True, **ONCE_MORE}},
    ),
    "pages": (answer(b'{"rows": [1]}', "200 OK"), gathered, {"paginate": ROWS}),
    "pages, without a list": (answer(b"{}", "200 OK"), gathered, {"paginate": ROWS}),
    "pages in a circle": (
        answer(b'{"rows": [1]}', "200 OK", "Link: </?x=1>; rel=next"),
        gathered,
        {"paginate": ROWS, "params": {"x": {"type": "string"}}},
    ),
    "a page of no list": (GOOD, plain, {"paginate": COUNTED, "params": {"x": {"type": "integer"}}}),
    "batch": (GOOD, batched, {}),
    "batch, failed": (answer(b"{}", "500 No"), batched, {}),
}


@pytest.mark.parametrize("path", PATHS)
def test_nothing_of_a_call_waits_for_the_cyclic_collector(open_gate: OpenGate, path: str) -> None:
    raw, run, declared = PATHS[path]
    method = dict(declared)
    on = {"breaker": {"min_calls": 1000}, **method.pop("on", {})}
    with Wire([raw] * 20) as server:
        at = open_gate({"s": service(server.url, methods={"m": {"http": "GET /", **method}}, **on)})
        with suppress(GatewayError):
            run(at)  # what is made at first use
        with garbage() as leftovers:
            for _ in range(2):
                with suppress(GatewayError):
                    run(at)
            at.log.events.clear()
    assert leftovers == []


@pytest.mark.parametrize("then", ["cut off", "refused"])
def test_nothing_of_a_lost_connection_waits_for_the_cyclic_collector(
    open_gate: OpenGate, then: str
) -> None:
    with Wire([CUT] if then == "cut off" else [], "close") as server:
        at = open_gate(
            {
                "s": service(
                    server.url, methods={"m": {"http": "GET /"}}, breaker={"min_calls": 1000}
                )
            }
        )
        with garbage() as leftovers, suppress(GatewayError):
            at.ask()
    assert leftovers == []


@pytest.mark.parametrize(
    "rest", [b"{}", b"", b"x" * MAX_HEAD_BYTES], ids=["whole", "cut", "too large"]
)
def test_an_answer_is_gone_with_its_last_reference(rest: bytes) -> None:
    reading = ResponseParser(False, 1000)
    reference = weakref.ref(reading)
    gc.disable()
    try:
        with suppress(GatewayError):
            reading.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + rest)
        del reading
        assert reference() is None
    finally:
        gc.enable()
