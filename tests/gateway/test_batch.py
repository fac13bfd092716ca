"""Calls side by side: batches and aggregates, at the gateway."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway import Call, Caller, Gateway, Result
from gateway.batch import BatchRunner, independent_step
from gateway.catalog.loader import CatalogError, load_catalog
from gateway.clock import Clock, SystemClock
from gateway.errors import (
    BadResponse,
    DeadlineExceeded,
    Failed,
    Forbidden,
    InvalidParams,
    NotFound,
    OutcomeUnknown,
)
from sandbox import Sandbox
from tests.gateway.conftest import Open
from tests.gateway.fakes import (
    USER,
    WAIT_SECONDS,
    FakeClock,
    Lines,
    comes_true,
    make_call,
    make_runtime,
    service,
)

ECHO = {"http": "GET /anything", "params": {name: {"type": "string"} for name in ("a", "b", "c")}}
NUMBER = {
    "http": "GET /anything",
    "params": {"n": {"type": "integer", "required": True, "maximum": 9}},
}
Aggregates = Callable[..., Gateway]


@pytest.fixture
def aggregates(box: Sandbox) -> Any:
    """A gateway over service ``s`` (``echo``, ``number``, ``create``, ``fail``) with one aggregate ``page``."""
    gateways: list[Gateway] = []

    def make(clock: Clock | None = None, log: Lines | None = None, **parts: Any) -> Gateway:
        methods = {
            "echo": ECHO,
            "number": NUMBER,
            "create": {
                "http": "POST /items",
                "params": {"name": {"type": "string", "required": True}},
            },
            "fail": {"http": "GET /fault/status=503/anything"},
        }
        whole = {
            "version": 1,
            "services": {"s": service(box.url, methods=methods)},
            "aggregates": {"page": parts},
        }
        catalog = load_catalog(json.dumps(whole), "test.yaml", {})
        runtime = make_runtime(clock=clock or SystemClock(), log=log or Lines())
        gateway = Gateway(catalog, runtime)
        gateways.append(gateway)
        return gateway

    yield make
    for gateway in gateways:
        gateway.close()


def run_aggregate(
    gateway: Gateway,
    query: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
    **how: Any,
) -> Any:
    return gateway.aggregate(
        "page", {"query": query or {}, "body": body or {}}, make_call("", service="", **how)
    )


def test_the_calls_of_a_batch_are_at_the_service_at_the_same_time(
    gate: Open, box: Sandbox, clock: FakeClock
) -> None:
    box.fault("/anything", "hang")
    at = gate(params=ECHO["params"], clock=clock)
    calls = {str(n): make_call("m", {"a": str(n)}) for n in range(10)}
    outcomes: dict[str, Any] = {}
    batch = threading.Thread(target=lambda: outcomes.update(at.gateway.call_batch(calls)))

    batch.start()

    assert comes_true(lambda: len(box.requests) == 10)  # and none of them has been answered
    clock.advance(5)
    box.stop()
    batch.join()
    assert list(outcomes) == list(calls)
    assert all(
        isinstance(outcome.error, OutcomeUnknown) and outcome.elapsed == 5
        for outcome in outcomes.values()
    )


def test_no_more_calls_run_at_once_than_there_are_places() -> None:
    together = BatchRunner(SystemClock(), Lines(), max_concurrent_calls=2)
    running = list[Call]()
    most = []
    both = threading.Barrier(2)
    pause = threading.Event()

    def run(call: Call) -> Result:
        running.append(call)
        both.wait(WAIT_SECONDS)
        pause.wait(0.02)  # long enough for others to come in, if they could
        most.append(len(running))
        both.wait(WAIT_SECONDS)
        running.remove(call)
        return Result(None)

    outcomes = together.run(
        {str(n): independent_step(make_call(), optional=False) for n in range(8)}, run
    )
    together.close()

    assert most == [2] * 8
    assert not any(outcome.error for outcome in outcomes.values())


def test_a_call_that_fails_leaves_the_others_alone(aggregates: Aggregates) -> None:
    gateway = aggregates()
    outcomes = gateway.call_batch(
        {
            "good": make_call("echo", {"a": "1"}),
            "failed": make_call("fail"),
            "wrong": make_call("number", {"n": "many"}),
            "lost": make_call("nowhere"),
            "barred": make_call("echo", caller=Caller("app:x", allow=("other",))),
        },
        optional={"failed"},
    )

    assert outcomes["good"].data["query"] == {"a": ["1"]}
    kinds = {name: type(outcome.error) for name, outcome in outcomes.items() if outcome.error}
    assert kinds == {
        "failed": Failed,
        "wrong": InvalidParams,
        "lost": NotFound,
        "barred": Forbidden,
    }
    assert {name for name, outcome in outcomes.items() if outcome.optional} == {"failed"}


def test_what_nobody_foresaw_in_one_call_is_logged_and_leaves_the_others_alone(gate: Open) -> None:
    at = gate(params=ECHO["params"])
    broken = make_call("m", params=None)
    object.__setattr__(broken, "caller", None)

    outcomes = at.gateway.call_batch({"broken": broken, "good": make_call("m", {"a": "1"})})

    assert (outcomes["broken"].error.code, outcomes["good"].error) == (-5000, None)  # type: ignore[union-attr]
    assert "unforeseen" in {event["event"] for event in at.log.events}


def test_an_aggregate_takes_its_params_from_the_request_and_from_earlier_parts(
    aggregates: Aggregates,
) -> None:
    gateway = aggregates(
        made={"call": "s.create", "params": {"name": "$body.item.name"}},
        shown={"call": "s.echo", "params": {"a": "$made.name", "b": "$query.b", "c": "$$5"}},
    )

    outcomes = run_aggregate(gateway, {"b": "x"}, {"item": {"name": "lamp 灯"}})

    assert outcomes["made"].data["name"] == "lamp 灯"
    assert outcomes["shown"].data["query"] == {"a": ["lamp 灯"], "b": ["x"], "c": ["$5"]}


def test_parts_that_need_nothing_of_each_other_run_at_the_same_time(
    aggregates: Aggregates, box: Sandbox
) -> None:
    box.fault("/anything", "hang", 2)
    gateway = aggregates(
        one={"call": "s.echo", "params": {"a": "1"}},
        two={"call": "s.echo", "params": {"a": "2"}},
        after={"call": "s.echo", "params": {"a": "$one.query.a.0"}},
    )
    outcomes: dict[str, Any] = {}
    page = threading.Thread(target=lambda: outcomes.update(run_aggregate(gateway)))

    page.start()

    assert comes_true(lambda: len(box.requests) == 2)
    box.stop()
    page.join()
    assert len(box.requests) == 2, "a part was called although the one it needs had failed"
    assert repr(outcomes["after"].error) == repr(outcomes["one"].error)


def test_under_a_key_the_parts_of_an_aggregate_are_each_made_once(
    aggregates: Aggregates, box: Sandbox
) -> None:
    gateway = aggregates(
        one={"call": "s.create", "params": {"name": "x"}},
        two={"call": "s.create", "params": {"name": "y"}},
    )
    first, second = (run_aggregate(gateway, idempotency_key="k") for _ in range(2))
    assert [outcome.data["name"] for outcome in first.values()] == ["x", "y"]
    assert [outcome.data for outcome in second.values()] == [
        outcome.data for outcome in first.values()
    ]
    assert len(box.requests) == 2


def test_an_answer_without_what_a_later_part_needs_is_said_of_the_service(
    aggregates: Aggregates,
) -> None:
    gateway = aggregates(
        one={"call": "s.echo"},
        two={"call": "s.echo", "params": {"a": "$one.query.nothing"}},
        three={"call": "s.echo", "params": {"a": "$one.5.x"}},
    )

    outcomes = run_aggregate(gateway)

    assert isinstance(outcomes["two"].error, BadResponse)
    assert "$one.query.nothing" in outcomes["two"].error.message
    assert isinstance(outcomes["three"].error, BadResponse)


def test_a_place_in_a_list_is_a_number(aggregates: Aggregates, box: Sandbox) -> None:
    gateway = aggregates(
        one={"call": "s.create", "params": {"name": "$body.names.1"}},
    )

    assert run_aggregate(gateway, body={"names": ["a", "b"]})["one"].data["name"] == "b"


@pytest.mark.parametrize(
    ("parts", "query", "fields"),
    [
        ({"p": {"call": "s.number", "params": {"n": "$query.count"}}}, {}, {"count"}),
        (
            {"p": {"call": "s.number", "params": {"n": "$query.count"}}},
            {"count": "many"},
            {"count"},
        ),
        ({"p": {"call": "s.number", "params": {"n": "$query.count"}}}, {"count": "10"}, {"count"}),
        (
            {"p": {"call": "s.number", "params": {"n": "$query.count"}}},
            {"count": "1", "more": "2"},
            {"more"},
        ),
        ({"p": {"call": "s.number", "params": {"n": 10}}}, {}, {"p.n"}),
    ],
)
def test_a_request_that_cannot_be_right_is_refused_before_anything_is_sent(
    aggregates: Aggregates, box: Sandbox, parts: Any, query: Any, fields: set[str]
) -> None:
    gateway = aggregates(first={"call": "s.create", "params": {"name": "x"}}, **parts)

    with pytest.raises(InvalidParams) as caught:
        run_aggregate(gateway, query)

    assert set(caught.value.fields or {}) == fields
    assert box.requests == []


def test_what_is_wrong_with_an_optional_part_fails_that_part_alone(aggregates: Aggregates) -> None:
    gateway = aggregates(
        good={"call": "s.echo"},
        extra={"call": "s.number", "params": {"n": "$query.count"}, "optional": True},
    )

    outcomes = run_aggregate(gateway, {"count": "many"})

    assert outcomes["good"].error is None
    assert isinstance(outcomes["extra"].error, InvalidParams)
    assert outcomes["extra"].optional


def test_a_caller_that_may_not_call_a_part_gets_none_of_it(
    aggregates: Aggregates, box: Sandbox
) -> None:
    gateway = aggregates(
        one={"call": "s.echo"}, two={"call": "s.create", "params": {"name": "$one.query.a"}}
    )

    with pytest.raises(Forbidden):
        run_aggregate(gateway, caller=Caller("app:x", allow=("s.echo",)))

    assert box.requests == []


class Late(Lines):
    """Much time passes after each line."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def info(self, event: str, **fields: Any) -> None:
        super().info(event, **fields)
        self._clock.advance(31)


def test_the_callers_time_counts_over_all_parts(
    aggregates: Aggregates, box: Sandbox, clock: FakeClock
) -> None:
    gateway = aggregates(
        clock,
        Late(clock),
        slow={"call": "s.echo", "params": {"a": "slow"}},
        after={"call": "s.echo", "params": {"a": "$slow.query.a.0"}},
    )

    outcomes = run_aggregate(gateway, timeout=30, caller=USER)

    assert outcomes["slow"].error is None
    assert isinstance(outcomes["after"].error, DeadlineExceeded)
    assert len(box.requests) == 1


def test_an_unknown_aggregate_is_not_found(aggregates: Aggregates) -> None:
    with pytest.raises(NotFound):
        aggregates().aggregate("nowhere", {"query": {}, "body": {}}, make_call(""))


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (
            {"call": "s.nowhere"},
            "there is no method 's.nowhere'; write service.method of this catalog",
        ),
        ({"call": "s"}, "must be service.method"),
        (
            {"call": "s.echo", "params": {"a": "$later.x"}},
            "$later is not known here; known are $query, $body",
        ),
        (
            {"call": "s.echo", "params": {"a": "$query"}},
            "'$query' refers to nothing; write $query.NAME, $body.NAME or $PART.PATH, or $$ for a $",
        ),
        ({"call": "s.echo", "params": {"zzz": 1}}, "s.echo has no param 'zzz'"),
    ],
)
def test_an_aggregate_that_cannot_work_is_refused(
    aggregates: Aggregates, part: Any, says: str
) -> None:
    with pytest.raises(CatalogError) as caught:
        aggregates(p=part)

    assert [problem.message for problem in caught.value.problems] == [says]


def test_a_part_may_not_be_called_like_the_request(aggregates: Aggregates) -> None:
    with pytest.raises(CatalogError, match="stands for the request"):
        aggregates(query={"call": "s.echo"})
