"""Identical calls at the same time: one is sent, the others get what it got."""

from __future__ import annotations

import math
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from gateway import Caller
from gateway.clock import SystemClock
from gateway.errors import DeadlineExceeded, Failed, GatewayError, Rejected, StoreUnavailable
from gateway.messages import Trace
from gateway.state import single_flight
from gateway.state.single_flight import MAX_POLL_SECONDS, Deadlines, SingleFlight
from gateway.stores import MemoryStore, Store
from gateway.stores.redis import RedisStore
from sandbox import Sandbox
from tests.gateway.fakes import FakeClock, Gate, comes_true
from tests.http_server import Answer, HttpServer, Received, StalledServer
from tests.redis_server import RedisServer

Open = Callable[..., Gate]
CALLS = 10
PATIENT: dict[str, Any] = {"timeout": {"read": 20}, "deadline": 20}


@pytest.fixture(autouse=True)
def _read_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a leader leaves is there for a worker that stood still, too."""
    monkeypatch.setattr(single_flight, "OUTCOME_TTL_SECONDS", 60)


@pytest.fixture
def at(gate: Open, store: Store) -> Open:
    """A gateway whose one method has a cache; several of them are several workers."""

    def make(http: str = "GET /anything", **method: Any) -> Gate:
        return gate(
            http, **{"store": store, "cache": {"ttl": 60}, "timeout": {"read": 20}, **method}
        )

    return make


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4 * CALLS) as running:
        yield running


StartedCall = tuple[Trace, Future[Any]]


def all_at_once(
    pool: ThreadPoolExecutor, gates: list[Gate], times: int = CALLS, **how: Any
) -> list[StartedCall]:
    def ask(gate: Gate) -> StartedCall:
        trace = Trace()
        return trace, pool.submit(gate.ask, trace=trace, **how)

    return [ask(gate) for _ in range(times) for gate in gates]


def outcomes(calls_started: list[StartedCall]) -> Counter[Any]:
    """How often: what the cache said, how many attempts, and how it ended."""

    def ended(future: Future[Any]) -> str:
        try:
            future.result(30)
        except GatewayError as error:
            return error.type
        return "answered"

    ends = [ended(future) for _, future in calls_started]
    return Counter(
        (trace.cache, len(trace.attempts), trace.fallback, end)
        for (trace, _), end in zip(calls_started, ends, strict=True)
    )


def threads_in_flight() -> int:
    """Count the threads that send a call or wait for another's, by what they stand in.

    One that has not yet learned whether it is to lead would, once the first one's call is over.
    """
    stacks = [
        {frame.f_code.co_qualname for frame, _ in traceback.walk_stack(frame)}
        for frame in sys._current_frames().values()
    ]
    in_flight = (
        {"CrossWorkerLock._lead"},
        {"CrossWorkerLock._wait_for"},
        {"SingleFlight.do", "Future.result"},
    )
    return sum(any(names <= stack for names in in_flight) for stack in stacks)


class HeldVendor(HttpServer):
    """Answers once as many threads lead or wait as there are to be."""

    def __init__(self, threads: int, answer: Answer) -> None:
        self.targets: list[str] = []
        self._threads = threads
        self._answer = answer

    def answer(self, request: Received) -> Answer:
        self.targets.append(request.target)
        assert len(self.targets) > 1 or comes_true(lambda: threads_in_flight() == self._threads)
        return self._answer


@pytest.mark.parametrize("workers", [1, 3])
def test_of_many_at_once_one_is_sent(
    at: Open, box: Sandbox, pool: ThreadPoolExecutor, workers: int
) -> None:
    box.fault("/anything", "delay=0.3")
    calls_started = all_at_once(pool, [at() for _ in range(workers)])
    assert outcomes(calls_started) == {
        ("MISS", 1, None, "answered"): 1,
        ("HIT", 0, None, "answered"): CALLS * workers - 1,
    }
    assert len({str(future.result()) for _, future in calls_started}) == 1
    assert len(box.requests) == 1


def test_calls_of_callers_whose_answers_differ_are_each_sent(
    at: Open, box: Sandbox, pool: ThreadPoolExecutor
) -> None:
    box.fault("/anything", "delay=0.2")
    one = at(cache={"ttl": 60, "vary": "caller"})
    calls_started = [
        future
        for n in range(3)
        for future in all_at_once(pool, [one], 4, caller=Caller(f"user:{n}"))
    ]
    assert sum(outcomes(calls_started).values()) == 12
    assert len(box.requests) == 3


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    ("status", "error"), [(503, "downstream_error"), (404, "downstream_rejected")]
)  # fmt: skip
def test_all_share_the_failure_of_the_one(
    at: Open, pool: ThreadPoolExecutor, workers: int, status: int, error: str
) -> None:
    with HeldVendor(CALLS * workers, Answer(status)) as vendor:
        gates = [at(on={"base_url": vendor.url}, **PATIENT) for _ in range(workers)]
        assert outcomes(all_at_once(pool, gates)) == {
            ("MISS", 1, None, error): 1,
            ("MISS", 0, None, error): CALLS * workers - 1,
        }
        assert vendor.targets == ["/anything"]


def test_a_shared_failure_tells_all_the_same(at: Open, pool: ThreadPoolExecutor) -> None:
    with HeldVendor(4, Answer(503, headers=(("Retry-After", "7"),))) as vendor:
        with_code = at(on={"base_url": vendor.url, "expose_vendor_code": True}, **PATIENT)
        calls_started = all_at_once(
            pool, [with_code, at(on={"base_url": vendor.url}, **PATIENT)], 2
        )
        errors = [future.exception(30) for _, future in calls_started]
    assert {type(error) for error in errors} == {Failed}
    assert {(str(e), e.code, e.retry_after, e.status, e.service, e.method) for e in errors} == {  # type: ignore[union-attr]
        (
            "The service failed; try again in a moment, but look first whether a write was done.",
            -1004,
            7.0,
            503,
            "s",
            "m",
        )
    }
    assert len({id(error) for error in errors}) == len(errors)


def test_the_next_call_after_a_shared_failure_is_sent(
    at: Open, box: Sandbox, pool: ThreadPoolExecutor
) -> None:
    one = at()
    other = at()
    box.fault("/anything", "delay=0.1;status=503", times=1)
    assert sum(outcomes(all_at_once(pool, [one, other], 2)).values()) == 4
    assert other.ask()["path"] == "/anything"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_caller_waits_for_anothers_call_no_longer_than_it_said(
    at: Open, pool: ThreadPoolExecutor, workers: int
) -> None:
    with StalledServer() as server:
        method = {"on": {"base_url": server.url}, **PATIENT}
        one = at(**method)
        first = pool.submit(one.ask)
        assert comes_true(lambda: server.request_count)
        with pytest.raises(DeadlineExceeded):
            (one if workers == 1 else at(**method)).ask(timeout=0.1)
        assert not first.done()
        server.free.set()
        assert first.result(30) == {}
        assert server.request_count == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_caller_with_more_time_than_can_be_waited_waits_for_anothers_call(
    at: Open, box: Sandbox, pool: ThreadPoolExecutor, workers: int
) -> None:
    box.fault("/anything", "delay=0.3")
    one = at(fallback={"static": None})
    first = pool.submit(one.ask)
    assert comes_true(lambda: box.requests)
    other = one if workers == 1 else at(fallback={"static": None})
    assert other.ask(timeout=1e15) == first.result(30)
    assert len(box.requests) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_waiting_for_anothers_call_is_part_of_the_deadline(
    at: Open, box: Sandbox, pool: ThreadPoolExecutor, workers: int
) -> None:
    box.fault("/anything", "hang")

    def waited() -> float:
        sent = len(box.requests)
        one = at(deadline=4)
        impatient = pool.submit(one.ask, timeout=3.2)
        assert comes_true(lambda: len(box.requests) > sent)
        other = one if workers == 1 else at(deadline=4)
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            other.ask()
        assert isinstance(impatient.exception(30), DeadlineExceeded)
        return time.monotonic() - began

    # A deadline that began anew with its own attempt would take 7.2; once, this process may have stood still.
    assert any(3.9 < waited() < 7 for _ in range(3))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_impatient_caller_fails_nobody_who_waits_for_its_call(
    at: Open, box: Sandbox, pool: ThreadPoolExecutor, workers: int
) -> None:
    box.fault("/anything", "hang", times=1)
    one = at()
    impatient = pool.submit(one.ask, timeout=2)
    assert comes_true(lambda: box.requests)
    calls_started = all_at_once(pool, [one if workers == 1 else at()], 5)
    assert outcomes(calls_started) == {
        ("MISS", 1, None, "answered"): 1,
        ("HIT", 0, None, "answered"): 4,
    }
    assert isinstance(impatient.exception(30), DeadlineExceeded)
    assert len(box.requests) == 2


@pytest.mark.parametrize("workers", [1, 3])
def test_all_get_the_answer_of_the_one_that_fell_back(
    at: Open, pool: ThreadPoolExecutor, workers: int
) -> None:
    with HeldVendor(4 * workers, Answer(503)) as vendor:
        method = {"on": {"base_url": vendor.url}, "fallback": {"static": {"kept": False}}}
        calls_started = all_at_once(pool, [at(**method, **PATIENT) for _ in range(workers)], 4)
        assert outcomes(calls_started) == {
            ("MISS", 1, "static", "answered"): 1,
            ("HIT", 0, "static", "answered"): 4 * workers - 1,
        }
    assert {str(future.result()) for _, future in calls_started} == {"{'kept': False}"}


def test_an_answer_too_large_to_pass_on_is_asked_for_by_each_worker(
    at: Open, pool: ThreadPoolExecutor
) -> None:
    with HeldVendor(12, Answer(200, b"x" * 1_100_000)) as vendor:
        large = {"on": {"base_url": vendor.url}, "response": "text"}
        calls_started = all_at_once(pool, [at(**large, **PATIENT) for _ in range(3)], 4)
        assert outcomes(calls_started) == {
            ("MISS", 1, None, "answered"): 3,
            ("HIT", 0, None, "answered"): 9,
        }
        assert len(vendor.targets) == 3


class LeaderGone(MemoryStore):
    """Another worker was to lead, and died; it began ten seconds ago."""

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        if key.startswith("lead:") and not hasattr(self, "died"):
            self.died = super().add(key, b"one that died", ttl - 10)
        return super().add(key, value, ttl)


@pytest.mark.parametrize(
    ("method", "max_seconds"), [({}, 30), ({"fallback": {"static": None}}, 2 * 30 + 1)]
)
def test_when_the_one_that_leads_dies_another_does(
    at: Open, box: Sandbox, method: Any, max_seconds: float
) -> None:
    clock = FakeClock()
    one = at(store=LeaderGone(clock), clock=clock, deadline=30, **method)
    assert one.ask()["path"] == "/anything"
    assert sum(clock.slept) == pytest.approx(max_seconds - 10, abs=MAX_POLL_SECONDS)
    assert max(clock.slept) <= MAX_POLL_SECONDS


class LeaderEnded(MemoryStore):
    """A worker of this machine led, and its process has ended."""

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        if key.startswith("lead:") and not hasattr(self, "ended"):
            code = "from gateway.system import process_name; print('one', process_name(), end='')"
            name = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
            self.ended = super().add(key, name.stdout, ttl)
        return super().add(key, value, ttl)


def test_nobody_waits_for_a_worker_that_was_killed(at: Open) -> None:
    clock = FakeClock()
    one = at(store=LeaderEnded(clock), clock=clock, deadline=30)
    assert one.ask()["path"] == "/anything"
    assert clock.slept == []


class GoneMeanwhile(LeaderGone):
    """The store goes away while this worker waits for another's call."""

    def get(self, key: str) -> bytes | None:
        if hasattr(self, "died"):
            raise StoreUnavailable
        return super().get(key)


def test_when_the_store_goes_away_nobody_waits_for_another_worker(at: Open) -> None:
    clock = FakeClock()
    assert at(store=GoneMeanwhile(clock), clock=clock).ask()["path"] == "/anything"
    assert clock.slept == []


class FillsRedis(HttpServer):
    """Fills Redis before it answers for the first time."""

    def __init__(self, server: RedisServer) -> None:
        self.targets: list[str] = []
        self._redis = server

    def answer(self, request: Received) -> Answer:
        self.targets.append(request.target)
        if len(self.targets) == 1:
            self._redis.client.config_set("maxmemory", 1)
        return Answer(200, b"{}", (("Content-Type", "application/json"),))


def test_nobody_waits_for_a_call_that_ended_while_redis_was_away(
    gate: Open, redis_server: RedisServer, redis_store: RedisStore
) -> None:
    clock = FakeClock()
    with FillsRedis(redis_server) as vendor:
        on = {"base_url": vendor.url}
        one = gate(on=on, store=redis_store, clock=clock, cache={"ttl": 60}, deadline=30)
        one.ask()
        redis_server.client.config_set("maxmemory", 0)
        assert comes_true(lambda: redis_store.up)
        one.ask()
        assert len(vendor.targets) == 2
    assert clock.slept == []


def test_one_that_is_stopped_stops_nobody_else(pool: ThreadPoolExecutor) -> None:
    calls = SingleFlight(SystemClock())
    flight, is_new = calls.begin("k")
    assert is_new
    waiting = pool.submit(
        calls.do, "k", lambda: "asked itself", Deadlines(math.inf, time.monotonic() + 60)
    )

    def stopped() -> Any:
        raise SystemExit

    with pytest.raises(SystemExit):
        calls.lead("k", flight, stopped, math.inf)
    assert waiting.result(30) == "asked itself"


def test_something_unforeseen_is_told_to_all(pool: ThreadPoolExecutor) -> None:
    calls = SingleFlight(SystemClock())
    flight, _ = calls.begin("k")
    waiting = pool.submit(
        calls.do, "k", lambda: "asked itself", Deadlines(math.inf, time.monotonic() + 60)
    )
    assert comes_true(lambda: flight._condition._waiters)  # type: ignore[attr-defined]

    def fail() -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        calls.lead("k", flight, fail, math.inf)
    assert type(waiting.exception(30)) is GatewayError


def test_rejected_stays_rejected_across_workers(at: Open, pool: ThreadPoolExecutor) -> None:
    with HeldVendor(2, Answer(422)) as vendor:
        gates = [at(on={"base_url": vendor.url}, **PATIENT) for _ in range(2)]
        for _, future in all_at_once(pool, gates, 1):
            assert isinstance(future.exception(30), Rejected)
        assert vendor.targets == ["/anything"]
