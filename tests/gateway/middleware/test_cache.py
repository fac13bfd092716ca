"""Kept answers: how long they serve, whom, and what is never kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from gateway import Caller
from gateway.clock import SystemClock
from gateway.errors import BadResponse, Failed, Forbidden, InvalidParams, Rejected, StoreUnavailable
from gateway.runtime import MAX_RENEWALS
from gateway.state import answer_cache
from gateway.state.answer_cache import GENERATION_SECONDS, clear
from gateway.stores import MemoryStore, Store
from sandbox import Sandbox
from tests.gateway.fakes import (
    FakeClock,
    Gate,
    Wire,
    answer,
    comes_true,
    hasty,
    make_catalog,
    service,
)
from tests.http_server import StalledServer

Open = Callable[..., Gate]
ONE_MINUTE = {"ttl": 60}
STALE = {"ttl": 60, "stale_while_revalidate": 30, "stale_if_error": 600}
PARAMS = {"a": {"type": "string"}, "n": {"type": "integer", "default": 5}}


@pytest.fixture
def at(gate: Open, clock: FakeClock, store: Store) -> Open:
    """A gateway whose one method has a cache; several of them are several workers."""

    def make(http: str = "GET /anything", cache: Any = ONE_MINUTE, **method: Any) -> Gate:
        return gate(http, clock=clock, store=method.pop("store", store), cache=cache, **method)

    return make


def cache_trace(gate: Gate) -> tuple[str | None, float | None, int]:
    return gate.trace.cache, gate.trace.age, len(gate.trace.attempts)


def test_an_answer_serves_until_its_time_is_up(at: Open, box: Sandbox, clock: FakeClock) -> None:
    one = at()
    first = one.ask()
    assert cache_trace(one) == ("MISS", None, 1)
    clock.advance(59)
    assert one.ask() == first
    assert cache_trace(one) == ("HIT", 59, 0)
    clock.advance(1)
    one.ask()
    assert cache_trace(one) == ("MISS", None, 1)
    assert len(box.requests) == 2


def test_what_one_worker_got_serves_another(at: Open, box: Sandbox) -> None:
    one = at()
    other = at()
    assert one.ask() == other.ask()
    assert cache_trace(other) == ("HIT", 0, 0)


def test_no_caller_fills_the_memory_with_answers(
    at: Open, box: Sandbox, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_cache, "MAX_CACHE_BYTES", 10_000)
    one = at(params=PARAMS)
    for n in range(100):
        one.ask(params={"n": n})
    assert len(box.requests) == 100
    for n in range(99, 94, -1):
        one.ask(params={"n": n})
        assert cache_trace(one) == ("HIT", 0, 0)
    for n in range(85):
        one.ask(params={"n": n})
        assert cache_trace(one) == ("MISS", None, 1), "the oldest make room"


def test_a_method_without_a_cache_says_nothing_of_one(gate: Open) -> None:
    plain = gate()
    plain.ask()
    assert cache_trace(plain) == (None, None, 1)


def test_the_same_parameters_in_any_order_and_form_are_the_same_question(
    at: Open, box: Sandbox
) -> None:
    one = at(params=PARAMS)
    one.ask(params={"a": "x", "n": 5})
    one.ask(params={"n": 5, "a": "x"})
    one.ask(params={"a": "x", "n": 5.0})
    one.ask(params={"a": "x"})
    one.ask(params={"n": "5", "a": "x"}, from_text=True)
    assert len(box.requests) == 1


@pytest.mark.parametrize(
    "params", [{"a": "y"}, {"a": "x", "n": 6}, {"n": 5}, {"a": ""}, {"a": "x "}]
)
def test_other_parameters_are_another_question(
    at: Open, box: Sandbox, params: dict[str, Any]
) -> None:
    one = at(params=PARAMS)
    one.ask(params={"a": "x", "n": 5})
    one.ask(params=params)
    assert len(box.requests) == 2


def test_callers_share_answers_unless_the_method_says_that_they_differ(
    at: Open, box: Sandbox
) -> None:
    ann = Caller("user:1")
    bob = Caller("user:2")
    shared = at()
    own = at(cache={**ONE_MINUTE, "vary": "caller"}, headers={"X-Other": "1"})
    for one, sent in ((shared, 1), (own, 3)):
        for caller in (ann, bob, ann):
            one.ask(caller=caller)
        assert len(box.requests) == sent


def test_an_answer_comes_out_of_the_cache_as_it_went_in(
    open_gate: Open, clock: FakeClock, store: Store
) -> None:
    body = b'{"big": 123456789012345678901234567890, "float": 1.0, "text": "\\u00fc \\ud800", "none": null, "list": []}'
    with Wire([answer(body)]) as server:
        one = open_gate(
            {"s": service(server.url, methods={"m": {"http": "GET /", "cache": ONE_MINUTE}})},
            clock=clock,
            store=store,
        )
        first = one.ask()
        assert repr(one.ask()) == repr(first)
        assert cache_trace(one) == ("HIT", 0, 0)


@pytest.mark.parametrize(
    ("fault", "error"), [("status=503", Failed), ("status=404", Rejected), ("html", BadResponse)]
)  # fmt: skip
def test_errors_are_never_kept(at: Open, box: Sandbox, fault: str, error: type[Exception]) -> None:
    one = at(cache=STALE)
    box.fault("/anything", fault, times=1)
    with pytest.raises(error):
        one.ask()
    assert cache_trace(one) == ("MISS", None, 1)
    assert one.ask()["path"] == "/anything"


def test_a_stale_answer_serves_at_once_while_one_call_of_all_workers_renews_it(
    gate: Open, store: Store
) -> None:
    with StalledServer() as server:
        cached = {
            "clock": SystemClock(),
            "store": store,
            "cache": {"ttl": 0.1, "stale_while_revalidate": 600},
            "on": {"base_url": server.url},
        }
        one = gate(**cached)
        other = gate(**cached)
        server.free.set()
        one.ask()
        server.free.clear()
        assert comes_true(lambda: (one.ask(), cache_trace(one)[0] == "STALE")[1])
        for worker in (one, other, one, other):
            worker.ask()
            assert (cache_trace(worker)[0], cache_trace(worker)[2]) == ("STALE", 0)
        assert comes_true(lambda: server.request_count == 2)
        server.free.set()
        assert comes_true(lambda: (other.ask(), cache_trace(other)[0] == "HIT")[1])


def test_a_renewal_that_fails_is_logged_and_leaves_the_stale_answer(
    at: Open, box: Sandbox, clock: FakeClock
) -> None:
    one = at(cache=STALE)
    one.ask()
    clock.advance(60)
    box.fault("/anything", "status=500")
    one.ask()
    assert comes_true(
        lambda: [line["code"] for line in one.log.events if line["event"] == "renewal failed"]
    )
    assert one.ask()["path"] == "/anything"
    assert cache_trace(one)[0] == "STALE"


def test_a_failed_renewal_lets_a_later_one_try_again(
    at: Open, box: Sandbox, clock: FakeClock
) -> None:
    one = at(cache=STALE)
    one.ask()
    clock.advance(60)
    box.fault("/anything", "status=500", times=1)
    assert comes_true(lambda: one.ask() and one.trace.cache == "HIT")
    assert len(box.requests) == 3


def test_no_more_than_so_many_renewals_run_at_once(
    at: Open, box: Sandbox, clock: FakeClock
) -> None:
    one = at(cache=STALE, params={"n": {"type": "integer"}})
    for n in range(MAX_RENEWALS + 4):
        one.ask(params={"n": n})
    clock.advance(60)
    box.reset()
    box.fault("/anything", "hang")
    for n in range(MAX_RENEWALS + 4):
        one.ask(params={"n": n})
        assert cache_trace(one)[0] == "STALE"
    assert comes_true(lambda: len(box.requests) == MAX_RENEWALS)


def test_where_no_thread_is_to_be_had_the_call_renews_itself(
    at: Open, box: Sandbox, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = at(cache=STALE)
    one.ask()
    clock.advance(60)

    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "postern-renewal":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    one.ask()
    assert cache_trace(one)[0] == "STALE"
    one.ask()
    assert cache_trace(one) == ("HIT", 0, 0)


@pytest.mark.parametrize("fault", ["status=503", "hang", "reset", "html", "status=429"])
def test_a_stale_answer_serves_where_the_service_or_we_fail(
    at: Open, box: Sandbox, clock: FakeClock, fault: str
) -> None:
    first = at(cache=STALE).ask()
    one = at(cache=STALE, **hasty(fault))
    clock.advance(659)
    box.fault("/anything", fault)
    assert one.ask() == first
    assert cache_trace(one) == ("STALE", 659, 1)
    assert one.trace.fallback == "stale"
    assert [line["event"] for line in one.log.events] == ["attempt", "fallback"]
    assert one.log.events[-1]["code"] == one.log.events[-2]["code"] < 0


def test_a_stale_answer_serves_where_the_time_is_up(
    at: Open, box: Sandbox, clock: FakeClock
) -> None:
    one = at(cache=STALE)
    first = one.ask()
    clock.advance(600)
    box.fault("/anything", "hang")
    assert one.ask(timeout=0.1) == first
    assert cache_trace(one)[0] == "STALE"


def test_a_stale_answer_does_not_hide_that_the_service_said_no(
    at: Open, box: Sandbox, clock: FakeClock
) -> None:
    one = at(cache=STALE)
    one.ask()
    clock.advance(600)
    box.fault("/anything", "status=404")
    with pytest.raises(Rejected):
        one.ask()
    assert (one.trace.cache, one.trace.fallback) == ("MISS", None)


def test_beyond_stale_if_error_the_failure_is_told(
    at: Open, box: Sandbox, clock: FakeClock
) -> None:
    one = at(cache=STALE)
    one.ask()
    clock.advance(660)
    box.fault("/anything", "status=503")
    with pytest.raises(Failed):
        one.ask()


def test_an_answer_given_under_another_declaration_is_never_used(at: Open, box: Sandbox) -> None:
    one = at()
    one.ask()
    declared = {"http": "GET /anything", "cache": ONE_MINUTE}
    changes = [
        {"http": "GET /anything/else"}, {"headers": {"X-Version": "2"}}, {"response": "text"},
        {"params": {"n": {"type": "integer"}}}, {"envelope": {"code": "method", "ok": ["GET"], "data": "path"}},
    ]  # fmt: skip
    for change in changes:
        one.gateway.swap(
            make_catalog({"s": service(box.url, methods={"m": {**declared, **change}})})
        )
        one.ask()
        assert cache_trace(one)[0] == "MISS", change
    credential = {"type": "bearer", "token": "another-account"}
    one.gateway.swap(
        make_catalog({"s": service(box.url, auth=credential, methods={"m": declared})})
    )
    one.ask()
    assert cache_trace(one)[0] == "MISS"
    one.gateway.swap(
        make_catalog({"s": service(box.url, methods={"m": {**declared, "deadline": 2}})})
    )
    one.ask()
    assert cache_trace(one)[0] == "HIT"


def test_who_may_not_call_is_not_answered_from_the_cache(at: Open) -> None:
    one = at(params=PARAMS)
    one.ask()
    with pytest.raises(Forbidden):
        one.ask(caller=Caller("app:x", allow=()))
    with pytest.raises(InvalidParams):
        one.ask(params={"unknown": 1})


def test_a_very_large_answer_is_passed_on_but_not_kept(at: Open, box: Sandbox) -> None:
    one = at("GET /bytes/{n}", params={"n": {"type": "integer"}}, response="text")
    for size, status in ((1024 * 1024 - 100, "HIT"), (1024 * 1024, "MISS")):
        assert len(one.ask(params={"n": size})) == size
        assert len(one.ask(params={"n": size})) == size
        assert cache_trace(one)[0] == status


class Away(MemoryStore):
    """A store that is away from its nth operation on; ``back`` ends that."""

    def __init__(self, clock: FakeClock, after: int = 0) -> None:
        super().__init__(clock)
        self.operations_left: float = after

    def back(self) -> None:
        self.operations_left = float("inf")

    def __getattribute__(self, name: str) -> Any:
        if name in ("get", "get_many", "set", "add", "delete"):
            self.operations_left -= 1
            if self.operations_left < 0:
                raise StoreUnavailable
        return super().__getattribute__(name)


@pytest.mark.parametrize("after", range(9))
def test_calls_go_on_while_the_store_is_away(
    at: Open, box: Sandbox, clock: FakeClock, after: int
) -> None:
    away = Away(clock, after)
    one = at(store=away, cache=STALE)
    for _ in range(2):
        assert one.ask()["path"] == "/anything"
        assert cache_trace(one) in (("MISS", None, 1), ("HIT", 0, 0))
    away.back()
    clock.advance(GENERATION_SECONDS)
    one.ask()
    clock.advance(1)
    one.ask()
    assert cache_trace(one)[0] == "HIT"


def test_clearing_a_method_leaves_the_others(
    open_gate: Open, box: Sandbox, clock: FakeClock, store: Store
) -> None:
    methods = {name: {"http": f"GET /anything/{name}", "cache": STALE} for name in ("m", "n")}
    one = open_gate({"s": service(box.url, methods=methods)}, clock=clock, store=store)

    def call_both() -> tuple[str | None, ...]:
        return tuple(one.ask(name) and one.trace.cache for name in ("m", "n"))

    assert call_both() == ("MISS", "MISS")
    clear(store, "s.m")
    clock.advance(GENERATION_SECONDS)
    assert call_both() == ("MISS", "HIT")
    clear(store, "s")
    clock.advance(GENERATION_SECONDS)
    assert call_both() == ("MISS", "MISS")
    assert call_both() == ("HIT", "HIT")


def test_an_answer_asked_for_before_the_clearing_is_not_kept_after_it(
    at: Open, box: Sandbox, clock: FakeClock, store: Store
) -> None:
    one = at()
    one.ask()
    clock.advance(60)
    box.fault("/anything", "status=503", times=1)
    with pytest.raises(Failed):
        one.ask()
    clear(store, "s.m")
    one.ask()  # takes the old generation as read for a moment
    clock.advance(GENERATION_SECONDS)
    one.ask()
    assert cache_trace(one) == ("MISS", None, 1)


def test_a_clock_set_back_makes_no_answer_younger_than_new(at: Open, clock: FakeClock) -> None:
    one = at()
    one.ask()
    clock.advance(-30)
    one.ask()
    assert cache_trace(one) == ("HIT", 0, 0)
