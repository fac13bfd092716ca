"""What happened to a call can be asked for afterwards: by whom, how long, and what is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway import Caller, GatewayError
from gateway.errors import StoreUnavailable
from gateway.stores import MemoryStore, Store
from gateway.stores.redis import RedisStore
from gateway.telemetry.call_record import RecordQuery
from gateway.telemetry.call_records import MAX_LIST_RECORDS, RETENTION_SECONDS
from sandbox import Sandbox
from tests.gateway.conftest import Open
from tests.gateway.fakes import USER, FakeClock, Gate, comes_true, service

ADMIN = Caller("user:1", role="admin")
OTHER = Caller("user:8")
TEXT = {"type": "string", "in": "query"}


def find_records(at: Gate, request_id: str = "r-1", caller: Caller = USER) -> list[dict[str, Any]]:
    return at.gateway.records.find(request_id, caller)


def one(at: Gate) -> dict[str, Any]:
    [record] = find_records(at)
    return record


def details(record: dict[str, Any], what: str) -> list[str]:
    return [entry["detail"] for entry in record["events"] if entry["what"] == what]


def failing(at: Gate, *ask: Any, **how: Any) -> None:
    with pytest.raises(GatewayError):
        at.ask(*ask, **how)


def test_a_record_tells_of_every_attempt_and_of_the_wait_between_them(
    gate: Open, box: Sandbox
) -> None:
    clock = FakeClock()
    at = gate(retry={"times": 1, "backoff": 0.2, "on": [503]}, clock=clock, jitter=lambda: 0.5)
    box.fault("/anything", "status=503", times=1)
    at.ask()
    record = one(at)
    attempts = [
        (entry["number"], entry["called"], entry["status"], entry["code"], entry["type"])
        for entry in record["attempts"]
    ]
    assert attempts == [(1, "s.m", 503, -1004, "downstream_error"), (2, "s.m", 200, 0, None)]
    assert [entry["started_ms"] for entry in record["attempts"]] == [0.0, 100.0]
    assert {entry["host"] for entry in record["attempts"]} == {box.url.removeprefix("http://")}
    assert (record["code"], record["type"], record["source"], record["elapsed_ms"]) == (
        0,
        None,
        None,
        100.0,
    )
    assert details(record, "retry") == ["503; in 0.100 s"]
    assert (record["started_at"], record["caller"]) == ("2023-11-14T22:30:00.000Z", "user:7")


def test_a_record_tells_why_nothing_was_sent_again(gate: Open, box: Sandbox) -> None:
    at = gate("POST /anything", retry={"times": 2, "on": [503]})
    box.fault("/anything", "status=503")
    failing(at)
    record = one(at)
    assert details(record, "no retry") == ["it may have been done, and may not be done twice"]
    assert (record["code"], record["type"], record["source"]) == (
        -1004,
        "downstream_error",
        "downstream",
    )


@pytest.mark.parametrize(
    ("retry", "why"),
    [
        ({"times": 1, "on": [503], "backoff": 0.1}, "no more than 1 retries"),
        ({"times": 1, "on": [502]}, "downstream_error is not among those to repeat"),
        ({"times": 9, "on": [503], "backoff": 9, "max_backoff": 9}, "the deadline comes first"),
    ],
)
def test_a_record_tells_which_rule_ended_the_retries(
    gate: Open, box: Sandbox, retry: Any, why: str
) -> None:
    at = gate(retry=retry, clock=FakeClock(), jitter=lambda: 0.9)
    box.fault("/anything", "status=503")
    failing(at)
    assert details(one(at), "no retry") == [why]


def test_a_record_tells_what_the_cache_had(gate: Open, box: Sandbox) -> None:
    clock = FakeClock()
    at = gate(cache={"ttl": 10, "stale_while_revalidate": 5}, clock=clock)
    for request_id, passes in (("a", 0), ("b", 0), ("c", 12)):
        clock.advance(passes)
        at.ask(request_id=request_id)
    events = {name: details(find_records(at, name)[0], "cache") for name in "abc"}
    assert events == {
        "a": ["miss"],
        "b": ["hit"],
        "c": ["renewal begun in the background", "stale"],
    }
    assert [find_records(at, name)[0]["cache"] for name in "abc"] == ["MISS", "HIT", "STALE"]


def test_a_record_tells_that_the_answer_was_another_calls(
    gate: Open, box: Sandbox, may_answer: threading.Event
) -> None:
    at = gate(cache={"ttl": 10})
    may_answer.clear()
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(at.ask, request_id="a")]
        assert comes_true(lambda: len(box.requests) == 1)
        calls.append(pool.submit(at.ask, request_id="b"))
        assert comes_true(lambda: at.waiting == 1)
        may_answer.set()
        for call in calls:
            call.result(30)
    assert details(find_records(at, "b")[0], "cache") == ["collapsed"]


def test_a_record_tells_who_answered_instead_and_who_could_not(
    open_gate: Open, box: Sandbox
) -> None:
    methods = {
        "m": {
            "http": "GET /status/500",
            "fallback": {"call": "s.other"},
            "mask": ["q"],
            "params": {"q": TEXT},
        },
        "other": {"http": "GET /anything"},
    }
    at = open_gate({"s": service(box.url, methods=methods)})
    at.ask("m", {"q": "private"})
    record = one(at)
    assert [entry["called"] for entry in record["attempts"]] == ["s.m", "s.other"]
    assert (record["fallback"], details(record, "fallback")) == (
        "s.other",
        ["s.other, after downstream_error"],
    )
    assert record["params"] == {"q": "****"}
    box.fault("/anything", "status=500")
    failing(at, request_id="r-2")
    assert details(find_records(at, "r-2")[0], "fallback") == [
        "s.other could not: downstream_error"
    ]


def test_a_record_tells_what_refused_the_call(gate: Open, box: Sandbox) -> None:
    clock = FakeClock()
    at = gate(on={"rate_limit": "1/minute"}, clock=clock)
    at.ask()
    clock.advance(5)
    failing(at, request_id="quota")
    assert details(find_records(at, "quota")[0], "quota") == ["used up; a turn comes in 55.000 s"]
    limited = Caller("user:9", rate="1/minute")
    failing(at, request_id="limit", caller=limited)
    failing(at, request_id="limit", caller=limited)
    assert details(find_records(at, "limit", limited)[1], "limit") == [
        "the caller's 1/minute are used up"
    ]


def test_a_record_tells_of_an_open_breaker_and_of_its_probe(gate: Open, box: Sandbox) -> None:
    clock = FakeClock()
    at = gate(
        on={"breaker": {"window": 60, "min_calls": 1, "failure_rate": 0.5, "open_for": 5}},
        clock=clock,
    )
    box.fault("/anything", "status=500", times=1)
    failing(at)
    failing(at, request_id="open")
    clock.advance(6)
    at.ask(request_id="probe")
    assert details(find_records(at, "open")[0], "breaker") == ["open; 5.000 s left"]
    assert details(find_records(at, "probe")[0], "breaker") == [
        "half open: this attempt is the probe"
    ]
    assert find_records(at, "open")[0]["attempts"] == []


def test_a_record_tells_where_the_token_came_from(open_gate: Open, box: Sandbox) -> None:
    auth = {
        "type": "app_secret",
        "app_id": "sandbox-app",
        "secret": "sandbox-secret",
        "token_url": "/cgi-bin/token",
    }
    services = {"s": service(box.url, auth=auth, methods={"m": {"http": "GET /anything"}})}
    clock = FakeClock()
    store = MemoryStore(clock)
    at = open_gate(services, store=store, clock=clock)
    at.ask()
    at.ask(request_id="r-2")
    assert details(one(at), "token") == ["fetched"]
    assert details(find_records(at, "r-2")[0], "token") == ["own"]
    neighbour = open_gate(services, store=store, clock=clock)
    neighbour.ask(request_id="r-3")
    assert details(find_records(neighbour, "r-3")[0], "token") == ["shared"]


def test_a_record_tells_of_a_replay_and_of_the_deadline(gate: Open) -> None:
    at = gate("POST /anything", deadline=30)
    at.ask(request_id="a", idempotency_key="k")
    at.ask(request_id="b", idempotency_key="k", timeout=20)
    first = find_records(at, "a")[0]
    replay = find_records(at, "b")[0]
    assert (details(first, "idempotency"), details(first, "deadline")) == (
        ["first use of this key"],
        ["30 s"],
    )
    assert (details(replay, "idempotency"), replay["replayed"], replay["attempts"]) == (
        ["the first answer, again"],
        True,
        [],
    )
    at.ask(request_id="c", timeout=20)
    [detail] = details(find_records(at, "c")[0], "deadline")
    assert detail.endswith("s, the caller's own")


def test_a_record_is_masked_even_of_a_call_that_was_refused(gate: Open) -> None:
    at = gate(params={"text": TEXT, "password": TEXT, "phone": TEXT}, mask=["text"])
    at.ask(params={"text": "private", "password": "hunter22", "phone": "13812345678"})
    assert one(at)["params"] == {"text": "****", "password": "****", "phone": "1381234****"}
    failing(at, params={"text": "private", "unknown": "x"}, request_id="r-2")
    assert find_records(at, "r-2")[0]["params"] == {"text": "****", "unknown": "x"}


def test_only_its_caller_and_an_admin_see_a_record(gate: Open) -> None:
    at = gate()
    at.ask()
    at.ask(caller=OTHER)
    assert [entry["caller"] for entry in find_records(at)] == ["user:7"]
    assert [entry["caller"] for entry in find_records(at, caller=ADMIN)] == ["user:7", "user:8"]
    assert [entry["caller"] for entry in at.gateway.records.search(OTHER, RecordQuery())] == [
        "user:8"
    ]


def test_the_recent_ones_come_newest_first_and_only_failures_if_asked(
    gate: Open, box: Sandbox
) -> None:
    clock = FakeClock()
    at = gate(clock=clock)
    for number in range(6):
        clock.advance(1)
        if number % 2:
            box.fault("/anything", "status=400", times=1)
            failing(at, request_id=f"r-{number}")
        else:
            at.ask(request_id=f"r-{number}")

    def ids(caller: Caller, **query: Any) -> list[str]:
        records = at.gateway.records.search(caller, RecordQuery(**query))
        return [record["request_id"] for record in records]

    assert ids(USER)[:3] == ["r-5", "r-4", "r-3"]
    assert ids(ADMIN, failed=True) == ["r-5", "r-3", "r-1"]
    assert ids(ADMIN, equal={"caller": OTHER.id}) == []
    assert ids(ADMIN, since=clock.wall() - 1.5) == ["r-5", "r-4"]


def test_a_record_is_gone_after_an_hour_though_its_list_lives_on(
    gate: Open, store: Store, clock: FakeClock, pass_time: Callable[[float], None]
) -> None:
    at = gate(store=store, clock=clock)
    at.ask(request_id="old")
    at.gateway.records.flush()
    pass_time(RETENTION_SECONDS - 60)
    at.ask(request_id="new")
    assert find_records(at, "old")
    pass_time(61)
    assert not find_records(at, "old")
    assert [entry["request_id"] for entry in at.gateway.records.search(USER, RecordQuery())] == [
        "new"
    ]


def test_no_more_than_so_many_are_kept_and_each_is_short(gate: Open, store: Store) -> None:
    at = gate("POST /anything", params={"wide": {"type": "object"}}, store=store)
    at.ask(params={"wide": {f"key{number}": "x" * 100 for number in range(1000)}})
    assert one(at)["params"] is None
    for _ in range(MAX_LIST_RECORDS + 5):
        at.ask(request_id="r-2")
    assert len(find_records(at, "r-2")) == MAX_LIST_RECORDS
    assert len(at.gateway.records.search(USER, RecordQuery())) == MAX_LIST_RECORDS


def test_an_admin_finds_more_of_everybodys_calls_than_a_caller_of_their_own(
    gate: Open, store: Store
) -> None:
    at = gate(store=store)
    for number in range(MAX_LIST_RECORDS + 5):
        at.ask(request_id=f"r-{number}")
    assert len(at.gateway.records.search(ADMIN, RecordQuery())) == MAX_LIST_RECORDS + 5


def test_another_worker_that_has_just_ended_a_call_is_waited_for(gate: Open) -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    at, neighbour = (gate(store=store, clock=clock) for _ in range(2))
    neighbour.ask()
    sleep = clock.sleep

    def asleep(seconds: float) -> None:
        sleep(seconds)
        if seconds:
            neighbour.gateway.records.flush()

    clock.sleep = asleep  # type: ignore[method-assign]
    assert one(at)["request_id"] == "r-1"


def test_while_redis_is_away_calls_go_on_and_their_records_wait(
    gate: Open, redis_store: RedisStore, redis_server: Any
) -> None:
    at = gate(store=redis_store)
    redis_server.stop()
    for number in range(3):
        at.ask(request_id=f"r-{number}")
    with pytest.raises(StoreUnavailable):
        find_records(at, "r-0")
    redis_server.start()
    assert comes_true(lambda: redis_store.up)
    assert [entry["request_id"] for entry in at.gateway.records.search(USER, RecordQuery())] == [
        "r-2",
        "r-1",
        "r-0",
    ]
