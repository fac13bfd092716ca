"""``response_headers``: those of a service's headers that its callers get, and how they travel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.messages import NO_EXTRAS, Extras, Result
from gateway.state.answer_cache import AnswerCache, CachedAnswer
from gateway.state.single_flight import CrossWorkerLock, Deadlines
from gateway.stores import MemoryStore
from gateway.streams import PassthroughRequest, ResponseStream
from tests.gateway.fakes import Gate, Wire, answer, make_call, service

Open = Callable[..., Gate]
LINK = 'Link: <https://a.example/items?page=2>; rel="next"'
TOTAL = "X-Total-Count: 41"
DECLARED = ["link", "X-Total-Count"]
EXTRAS = Extras(
    (
        ("link", '<https://a.example/items?page=2>; rel="next"'),
        ("X-Total-Count", "41"),
    )
)


def ask(at: Gate, **how: Any) -> Result:
    return at.gateway.call(make_call(**how))


def test_the_caller_gets_the_declared_headers_and_no_other(wire: Any) -> None:
    _, at = wire(answer(b"{}", "200 OK", LINK, TOTAL, "X-Secret: s"), response_headers=DECLARED)
    assert ask(at).extras == EXTRAS


def test_a_method_that_declares_none_has_none(wire: Any) -> None:
    _, at = wire(answer(b"{}", "200 OK", LINK, TOTAL))
    assert ask(at).extras is NO_EXTRAS


def test_a_header_that_is_not_there_is_left_out_and_one_in_lines_is_joined(wire: Any) -> None:
    lines = ("X-Total-Count: 1", "x-total-count: 2")
    _, at = wire(answer(b"{}", "200 OK", *lines), response_headers=DECLARED)
    assert ask(at).extras.headers == (("X-Total-Count", "1, 2"),)


def test_a_credential_in_a_header_becomes_stars_and_a_control_character_a_blank(
    open_gate: Open,
) -> None:
    key = "key-0123456789abcdef"
    auth = {"type": "api_key", "in": "query", "name": "key", "value": key}
    lines = (f"Link: </items?key={key}&page=2>", "X-Total-Count: 4\x011")
    method = {"http": "GET /", "response_headers": DECLARED}
    with Wire([answer(b"{}", "200 OK", *lines)]) as vendor:
        at = open_gate({"s": service(vendor.url, auth=auth, methods={"m": method})})
        headers = dict(ask(at).extras.headers)
    assert headers == {"link": "</items?key=****&page=2>", "X-Total-Count": "4 1"}


def test_a_cached_answer_has_the_headers_of_the_first(wire: Any) -> None:
    data = b'{"headers": {"a": "\\n"}, "at": 5, "data": [1]}'
    _, at = wire(answer(data, "200 OK", LINK, TOTAL), cache={"ttl": 60}, response_headers=DECLARED)
    first = ask(at)
    again = ask(at)
    assert (again.extras, again.data) == (EXTRAS, first.data)


def test_a_worker_that_waited_for_anothers_answer_gets_its_headers() -> None:
    waits = threading.Event()

    class Clock(SystemClock):
        def sleep(self, seconds: float) -> None:
            waits.set()
            super().sleep(seconds)

    clock = Clock()
    cache = AnswerCache(MemoryStore(clock), clock)
    deadlines = Deadlines(clock.now() + 60, clock.now() + 60)
    begun = threading.Event()

    def fetch() -> CachedAnswer:
        begun.set()
        waits.wait(30)
        return CachedAnswer(Result({"a": 1}, EXTRAS), 0.0, stored=False)

    def ask_once(fetch: Callable[[], CachedAnswer]) -> Result:
        lock = CrossWorkerLock(cache, clock)
        return lock.do("k", fetch, lambda: None, 60, deadlines).result

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask_once, fetch)
        assert begun.wait(30)
        assert ask_once(pytest.fail) == first.result() == Result({"a": 1}, EXTRAS)


def test_the_answer_to_an_idempotency_key_has_its_headers_again(wire: Any) -> None:
    raw = answer(b'{"a":1}', "200 OK", LINK, TOTAL)
    vendor, at = wire(raw, http="POST /", response_headers=DECLARED)
    first = ask(at, idempotency_key="k")
    assert ask(at, idempotency_key="k") == first == Result({"a": 1}, EXTRAS)
    assert len(vendor.heard) == 1


def test_what_answers_in_a_methods_place_has_no_headers(open_gate: Open) -> None:
    with Wire([answer(b'{"a":1}', "200 OK", LINK)]) as other:
        methods = {"http": "GET /", "response_headers": DECLARED}
        at = open_gate(
            {
                "s": service(
                    "http://127.0.0.1:1", methods={"m": {**methods, "fallback": {"call": "t.m"}}}
                ),
                "t": service(other.url, methods={"m": methods}),
            }
        )
        assert ask(at) == Result({"a": 1}, NO_EXTRAS)


@pytest.mark.parametrize("name", ["link", "ETag"])
def test_a_stream_has_the_declared_headers_once(wire: Any, name: str) -> None:
    raw = answer(b"data: 1\n\n", "200 OK", LINK, "Link: </b>", 'ETag: "1"')
    _, at = wire(raw, response_headers=[name], stream=True)
    result = ask(at, inbound=PassthroughRequest())
    assert isinstance(result.data, ResponseStream)
    names = [name.lower() for name, _ in (*result.data.headers, *result.extras.headers)]
    assert names.count(name.lower()) == 1
    if name == "link":
        assert result.extras.headers[0][1].endswith('rel="next", </b>')
    result.data.close()


def test_each_call_of_a_batch_has_its_headers(wire: Any) -> None:
    _, at = wire(answer(b"{}", "200 OK", TOTAL), answer(b"{}"), response_headers=DECLARED)
    first = at.gateway.call_batch({"a": make_call()})["a"]
    second = at.gateway.call_batch({"a": make_call()})["a"]
    assert first.extras.to_dict() == {"headers": {"X-Total-Count": "41"}}
    assert second.extras.to_dict() == {}
