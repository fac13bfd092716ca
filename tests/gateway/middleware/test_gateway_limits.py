"""The caller's limit, the vendor's quota and the cap on calls at once, around real calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway import Caller
from gateway.errors import (
    Failed,
    GatewayError,
    InvalidParams,
    QuotaSpent,
    RateLimited,
    TooManyCalls,
)
from gateway.stores import MemoryStore
from gateway.stores.redis import RedisStore
from sandbox import Sandbox
from tests.gateway.fakes import WAIT_SECONDS, FakeClock, Gate, comes_true, make_catalog, service
from tests.http_server import StalledServer
from tests.redis_server import RedisServer

Open = Callable[..., Gate]
SHOP = Caller("app:shop", rate="3/minute")


def outcomes(gate: Gate, times: int, **how: Any) -> list[type | str]:
    """What became of so many calls, one after the other."""

    def one() -> type | str:
        try:
            gate.ask(**how)
        except GatewayError as error:
            return type(error)
        return "ok"

    return [one() for _ in range(times)]


# The caller's limit.


def test_a_caller_over_its_limit_is_refused_and_nothing_is_sent(
    gate: Open, box: Sandbox, clock: FakeClock
) -> None:
    at = gate(clock=clock)
    assert outcomes(at, 3, caller=SHOP) == ["ok"] * 3
    clock.advance(20)
    with pytest.raises(RateLimited) as caught:
        at.ask(caller=SHOP)
    assert (caught.value.code, caught.value.source, caught.value.retry_after) == (
        -3008,
        "caller",
        40,
    )
    assert (len(box.requests), at.trace.attempts) == (3, [])
    clock.advance(40)
    assert outcomes(at, 4, caller=SHOP) == ["ok"] * 3 + [RateLimited]


def test_every_call_tells_what_the_caller_has_left(gate: Open, clock: FakeClock) -> None:
    at = gate(clock=clock)
    permits = []
    for _ in range(4):
        outcomes(at, 1, caller=SHOP)
        permits.append(at.trace.permit)
        clock.advance(1)
    assert [(permit.limit, permit.remaining, permit.reset) for permit in permits] == [
        (3, 2, 60),
        (3, 1, 59),
        (3, 0, 58),
        (3, 0, 57),
    ]


def test_a_limit_is_over_all_that_the_caller_calls_and_nobody_elses(
    open_gate: Open, box: Sandbox, clock: FakeClock
) -> None:
    methods = {"m": {"http": "GET /anything"}, "n": {"http": "GET /v1/health"}}
    at = open_gate(
        {"s": service(box.url, methods=methods), "t": service(box.url, methods=methods)},
        clock=clock,
    )
    for how in ({}, {"service": "t"}, {"method": "n"}):
        at.ask(caller=SHOP, **how)
    assert outcomes(at, 1, caller=SHOP) == [RateLimited]
    assert outcomes(at, 1, caller=Caller("user:shop", rate="3/minute")) == ["ok"]
    assert outcomes(at, 20, caller=Caller("cli")) == ["ok"] * 20


def test_a_call_is_one_use_however_often_it_is_tried(
    gate: Open, box: Sandbox, clock: FakeClock
) -> None:
    box.fault("/anything", "status=503")
    at = gate(clock=clock, retry={"times": 3, "backoff": 0.001})
    assert outcomes(at, 4, caller=SHOP) == [Failed] * 3 + [RateLimited]
    assert len(box.requests) == 12


def test_the_count_outlives_a_reload_and_a_new_rate_holds_at_once(
    gate: Open, box: Sandbox, clock: FakeClock
) -> None:
    at = gate(clock=clock, rate_limit="5/minute")
    outcomes(at, 2, caller=SHOP)
    catalog = {
        "s": service(box.url, methods={"m": {"http": "GET /anything", "rate_limit": "3/minute"}})
    }
    at.gateway.swap(make_catalog(catalog))
    assert outcomes(at, 2) == ["ok", QuotaSpent]
    assert outcomes(at, 1, caller=Caller("app:shop", rate="2/minute")) == [RateLimited]


def test_a_wrong_parameter_is_said_and_not_counted(gate: Open, clock: FakeClock) -> None:
    at = gate(clock=clock)
    assert outcomes(at, 9, params={"unknown": 1}, caller=SHOP) == [InvalidParams] * 9
    assert outcomes(at, 1, caller=SHOP) == ["ok"]


# The vendor's quota.


def test_a_quota_that_is_used_up_refuses_and_says_when_to_come_again(
    gate: Open, box: Sandbox, clock: FakeClock
) -> None:
    at = gate(clock=clock, rate_limit="2/minute")
    assert outcomes(at, 2) == ["ok"] * 2
    clock.advance(15)
    with pytest.raises(QuotaSpent) as caught:
        at.ask()
    error = caught.value
    assert (error.code, error.type, error.source, error.retry_after) == (
        -1009,
        "downstream_quota",
        "downstream",
        45,
    )
    assert (len(box.requests), at.trace.attempts) == (2, [])
    clock.advance(45)
    assert outcomes(at, 3) == ["ok", "ok", QuotaSpent]


def test_a_services_quota_is_one_for_all_methods_and_callers_and_a_methods_its_own(
    open_gate: Open, box: Sandbox, clock: FakeClock
) -> None:
    methods = {
        "m": {"http": "GET /anything", "rate_limit": "1/minute"},
        "n": {"http": "GET /v1/health"},
    }
    s = service(box.url, rate_limit="3/minute", methods=methods)
    at = open_gate({"s": s, "t": service(box.url, methods=methods)}, clock=clock)
    assert outcomes(at, 2, method="m") == [
        "ok",
        QuotaSpent,
    ]  # the method's; the service's is not touched
    assert [outcomes(at, 1, method="n", caller=Caller(f"user:{n}")) for n in range(3)] == [
        ["ok"],
        ["ok"],
        [QuotaSpent],
    ]
    assert outcomes(at, 9, method="n", service="t") == ["ok"] * 9


def test_every_attempt_uses_the_quota_and_our_refusal_is_not_tried_again(
    gate: Open, box: Sandbox, clock: FakeClock
) -> None:
    at = gate(clock=clock, rate_limit="2/minute", retry={"times": 5, "on": [503, 429]})
    box.fault("/anything", "status=503", times=1)
    assert outcomes(at, 2) == ["ok", QuotaSpent]
    assert len(box.requests) == 2
    assert len(clock.slept) == 1  # before the one attempt that was made again


def test_a_retry_that_the_quota_forbids_ends_in_what_the_service_said(
    gate: Open, box: Sandbox, clock: FakeClock
) -> None:
    box.fault("/anything", "status=503")
    at = gate(clock=clock, rate_limit="2/minute", retry={"times": 5})
    assert outcomes(at, 1) == [Failed]
    assert [attempt.code for attempt in at.trace.attempts] == [-1004, -1004]


def test_a_cached_answer_uses_none_of_the_quota(gate: Open, clock: FakeClock) -> None:
    at = gate(clock=clock, rate_limit="1/minute", cache={"ttl": 10})
    assert outcomes(at, 3, caller=SHOP) == ["ok"] * 3
    assert outcomes(at, 1, caller=SHOP) == [RateLimited]  # but it is a call
    clock.advance(11)
    assert outcomes(at, 1) == [QuotaSpent]


def test_what_we_refuse_ourselves_does_not_open_the_circuit(gate: Open, clock: FakeClock) -> None:
    at = gate(
        clock=clock, rate_limit="1/minute", on={"breaker": {"min_calls": 2, "failure_rate": 0.1}}
    )
    assert outcomes(at, 9) == ["ok"] + [QuotaSpent] * 8


def test_a_call_may_wait_for_its_turn(gate: Open, box: Sandbox, clock: FakeClock) -> None:
    at = gate(clock=clock, rate_limit="2/second", on_limit="wait", deadline=10)
    assert outcomes(at, 5) == ["ok"] * 5
    assert clock.slept == pytest.approx([1, 1])


def test_a_turn_that_comes_after_the_deadline_is_refused_at_once(
    gate: Open, box: Sandbox, clock: FakeClock
) -> None:
    at = gate(clock=clock, on={"rate_limit": "1/minute", "on_limit": "wait"}, deadline=10)
    at.ask()
    clock.advance(45)
    with pytest.raises(QuotaSpent) as caught:
        at.ask()
    assert (caught.value.retry_after, clock.slept) == (15, [])
    assert caught.value.message.endswith("is used up; wait 15 s.")  # on_limit: wait is set
    clock.advance(6)
    with pytest.raises(QuotaSpent):
        at.ask(
            timeout=9.0
        )  # the caller's own deadline; just then there would be no time left to call
    at.ask()
    assert (clock.slept, len(box.requests)) == ([9], 2)


def test_many_that_wait_go_in_turn_and_those_in_vain_do_not_wait(gate: Open, box: Sandbox) -> None:
    class Still(FakeClock):
        """All ask at the same instant, however long they sleep."""

        def sleep(self, seconds: float) -> None:
            self.slept.append(seconds)

    clock = Still()
    at = gate(rate_limit="3/second", on_limit="wait", deadline=1.5, clock=clock)
    assert outcomes(at, 12) == ["ok"] * 6 + [QuotaSpent] * 6
    assert clock.slept == pytest.approx([1, 1, 1])
    assert len(box.requests) == 6


# At once.


@pytest.fixture
def stalled() -> Iterator[StalledServer]:
    with StalledServer() as running:
        yield running
        running.free.set()


def capped(open_gate: Open, stalled: StalledServer, cap: int, **options: Any) -> Gate:
    methods = {"m": {"http": "GET /"}}
    return open_gate({"s": service(stalled.url, concurrency=cap, methods=methods)}, **options)


def test_a_full_service_refuses_at_once_and_takes_the_next_when_one_is_done(
    open_gate: Open, stalled: StalledServer
) -> None:
    at = capped(open_gate, stalled, 2)
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(at.ask) for _ in range(2)]
        assert comes_true(lambda: stalled.request_count == 2)
        with pytest.raises(TooManyCalls) as caught:
            at.ask()
        assert (caught.value.code, caught.value.source) == (-1010, "gateway")
        assert caught.value.message == (
            "All 2 places of the service (concurrency) are taken; try again in a moment."
        )
        assert not any(future.done() for future in running)
        stalled.free.set()
    assert outcomes(at, 3) == ["ok"] * 3
    assert stalled.request_count == 5


def test_places_come_free_however_a_call_ends(gate: Open, box: Sandbox) -> None:
    at = gate(on={"concurrency": 1}, timeout={"read": 0.05})
    for fault in ("status=503", "hang", "reset", "html"):
        box.fault("/anything", fault)
        assert outcomes(at, 1) != [TooManyCalls]


def test_a_place_whose_holder_died_comes_free_after_the_deadline(
    gate: Open, clock: FakeClock
) -> None:
    class Dies(MemoryStore):
        def release_slot(self, key: str, lease: str) -> None:
            pass

    at = gate(on={"concurrency": 1}, clock=clock, store=Dies(clock), deadline=3)
    assert outcomes(at, 2) == ["ok", TooManyCalls]
    clock.advance(3.9)
    assert outcomes(at, 1) == [TooManyCalls]
    clock.advance(0.1)
    assert outcomes(at, 1) == ["ok"]


def test_a_place_is_nobodys_before_a_retry(gate: Open, box: Sandbox, clock: FakeClock) -> None:
    at = gate(on={"concurrency": 1}, clock=clock, retry={"times": 2})
    box.fault("/anything", "status=503", times=2)
    assert outcomes(at, 1) == ["ok"]


# Without the shared store.


@pytest.mark.parametrize("how", ["kill", "pause"])
def test_every_count_goes_on_locally_while_redis_is_away(
    gate: Open, box: Sandbox, redis_server: RedisServer, redis_store: RedisStore, how: str
) -> None:
    at = gate(store=redis_store, rate_limit="10/day")
    shop = Caller("app:shop", rate="3/day")
    assert outcomes(at, 4, caller=shop) == ["ok"] * 3 + [RateLimited]
    getattr(redis_server, how)()
    began = time.monotonic()
    assert outcomes(at, 1, caller=shop) == ["ok"]
    assert (
        time.monotonic() - began < WAIT_SECONDS
    )  # nobody waits for a Redis that hangs, which here it does for ever
    assert outcomes(at, 3, caller=shop) == ["ok", "ok", RateLimited]
    assert outcomes(at, 8) == ["ok"] * 7 + [QuotaSpent]


def test_a_cap_holds_over_the_coming_and_going_of_redis(
    open_gate: Open, stalled: StalledServer, redis_server: RedisServer, redis_store: RedisStore
) -> None:
    at = capped(open_gate, stalled, 1, store=redis_store)

    def full() -> bool:
        """Whether a second call is refused, and a third comes through when the first is done."""
        stalled.free.clear()
        count = stalled.request_count
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(outcomes, at, 1)
            assert comes_true(lambda: stalled.request_count > count)
            second = outcomes(at, 1)
            stalled.free.set()
        return [*running.result(WAIT_SECONDS), *second, *outcomes(at, 1)] == [
            "ok",
            TooManyCalls,
            "ok",
        ]

    assert full()
    redis_server.kill()
    assert full()
    redis_server.start()
    assert comes_true(lambda: redis_store.up)
    assert full()


def test_a_call_whose_place_redis_lost_ends_as_ever(
    open_gate: Open, stalled: StalledServer, redis_server: RedisServer, redis_store: RedisStore
) -> None:
    at = capped(open_gate, stalled, 1, store=redis_store)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(outcomes, at, 1)
        assert comes_true(lambda: stalled.request_count)
        redis_server.kill()
        stalled.free.set()
        assert running.result(WAIT_SECONDS) == ["ok"]
