"""Who answers where the service fails, in which order, and who never does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from gateway import Caller
from gateway.errors import (
    CircuitOpen,
    ConnectFailed,
    DeadlineExceeded,
    Failed,
    GatewayError,
    InvalidParams,
    Rejected,
)
from gateway.middleware import health as probes
from gateway.stores import MemoryStore
from sandbox import Sandbox
from tests.gateway.fakes import WECHAT, FakeClock, Gate, comes_true, hasty, make_catalog, service
from tests.ports import free_port

Open = Callable[..., Gate]
PARAMS = {"a": {"type": "string"}, "n": {"type": "integer"}}
NOWHERE = "http://127.0.0.1:9"  # discard; nobody listens there


@pytest.fixture
def spare() -> Iterator[Sandbox]:
    """Another service, or the backup of the first."""
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture
def two(open_gate: Open, box: Sandbox, spare: Sandbox) -> Open:
    """``s.m`` falls back as the test says; ``t.n`` is a method of another service."""

    def make(fallback: Any = None, *, on: Any = None, other: Any = None, **method: Any) -> Gate:
        clock = method.pop("clock", None)
        m = {
            "http": "GET /anything/m",
            "params": PARAMS,
            **({"fallback": fallback} if fallback else {}),
            **method,
        }
        n = {"http": "GET /anything/n", "params": {"n": PARAMS["n"]}, **(other or {})}
        s = {**service(box.url, methods={"m": m}), **(on or {})}
        services = {"s": s, "t": service(spare.url, methods={"n": n})}
        return open_gate(
            services, **({"clock": clock, "store": MemoryStore(clock)} if clock else {})
        )

    return make


def paths(box: Sandbox) -> list[str]:
    return [request.path for request in box.requests]


def test_another_method_answers_with_the_parameters_it_knows(
    two: Open, box: Sandbox, spare: Sandbox
) -> None:
    box.fault("/anything/m", "status=503")
    at = two({"call": "t.n"})
    echo = at.ask(params={"a": "x", "n": 5})
    assert (echo["path"], echo["query"]) == ("/anything/n", {"n": ["5"]})
    assert at.trace.fallback == "t.n"
    assert [attempt.code for attempt in at.trace.attempts] == [-1004, 0]
    assert [(line["event"], line["service"], line["code"]) for line in at.log.events] == [
        ("attempt", "s", -1004), ("attempt", "t", 0), ("fallback", "s", -1004),
    ]  # fmt: skip
    assert at.log.events[-1]["fallback"] == "t.n"


def test_while_the_method_itself_answers_nobody_else_is_asked(two: Open, spare: Sandbox) -> None:
    at = two({"call": "t.n"}, on={"backup_url": spare.url})
    assert at.ask()["path"] == "/anything/m"
    assert (at.trace.fallback, paths(spare)) == (None, [])


@pytest.mark.parametrize(
    "fault", ["status=500", "hang", "reset", "html", "truncated", "status=429", "garbage"]
)  # fmt: skip
def test_a_fallback_answers_whatever_way_the_service_fails(
    two: Open, box: Sandbox, fault: str
) -> None:
    box.fault("/anything/m", fault)
    at = two({"static": ["declared"]}, **hasty(fault))
    assert at.ask() == ["declared"]
    assert (at.trace.fallback, len(at.trace.attempts)) == ("static", 1)


def test_a_declared_null_is_an_answer(two: Open, box: Sandbox) -> None:
    box.fault("/anything/m", "status=500")
    at = two({"static": None})
    assert at.ask() is None
    assert at.trace.fallback == "static"


def test_a_credential_that_cannot_be_had_is_a_failure_too(two: Open, box: Sandbox) -> None:
    box.fault("/cgi-bin/token", "status=500")
    assert two({"static": 1}, on=WECHAT).ask() == 1


def test_a_service_that_says_no_is_not_asked_elsewhere(
    two: Open, box: Sandbox, spare: Sandbox
) -> None:
    box.fault("/anything/m", "status=404")
    at = two({"call": "t.n"}, on={"backup_url": spare.url})
    with pytest.raises(Rejected):
        at.ask()
    assert (at.trace.fallback, paths(spare)) == (None, [])


def test_what_the_caller_does_wrong_is_not_answered_by_a_fallback(two: Open) -> None:
    at = two({"static": 1}, http="GET /anything/{a}")
    for params in ({"a": ".."}, {"a": "x", "unknown": 1}):
        with pytest.raises(InvalidParams):
            at.ask(params=params)


def test_where_nobody_can_answer_the_first_failure_stands(
    two: Open, box: Sandbox, spare: Sandbox
) -> None:
    box.fault("/anything/m", "status=503;retry-after=9")
    spare.fault("/*", "status=404")
    at = two({"call": "t.n"}, on={"backup_url": spare.url})
    with pytest.raises(Failed) as caught:
        at.ask()
    assert (caught.value.service, caught.value.method, caught.value.retry_after) == ("s", "m", 9)
    assert paths(spare) == ["/anything/n", "/anything/m"]
    assert (at.trace.fallback, len(at.trace.attempts)) == (None, 3)
    assert "fallback" not in [line["event"] for line in at.log.events]


def test_the_backup_url_comes_after_another_method(two: Open, box: Sandbox, spare: Sandbox) -> None:
    box.fault("/anything/m", "status=503")
    spare.fault("/anything/n", "status=503")
    at = two({"call": "t.n"}, on={"backup_url": spare.url})
    assert at.ask(params={"a": "x"})["query"] == {"a": ["x"]}
    assert (at.trace.fallback, paths(spare)) == ("backup_url", ["/anything/n", "/anything/m"])


def test_the_backup_url_comes_before_a_declared_answer(
    two: Open, box: Sandbox, spare: Sandbox
) -> None:
    box.fault("/anything/m", "status=503")
    at = two({"static": 1}, on={"backup_url": spare.url})
    assert at.ask()["path"] == "/anything/m"
    spare.fault("/anything/m", "status=503")
    assert at.ask() == 1


def test_the_backup_url_gets_all_that_the_main_one_gets(
    two: Open, box: Sandbox, spare: Sandbox
) -> None:
    box.fault("/anything/m", "status=503")
    auth = {"type": "api_key", "in": "header", "name": "X-Api-Key", "value": "the-key"}
    at = two(
        on={"backup_url": spare.url + "/", "auth": auth, "retry": {"times": 1, "backoff": 0.001}}
    )
    spare.fault("/anything/m", "status=503", times=1)
    echo = at.ask(params={"a": "x"}, request_id="r-9")
    assert (echo["query"], echo["headers"]["x-api-key"]) == ({"a": ["x"]}, "the-key")
    assert echo["headers"]["x-request-id"] == "r-9"
    assert [attempt.code for attempt in at.trace.attempts] == [-1004, -1004, -1004, 0]
    assert [line.get("backup") for line in at.log.events] == [None, None, True, True, None]


def test_a_fetched_token_serves_both_urls(two: Open, box: Sandbox, spare: Sandbox) -> None:
    at = two(on={**WECHAT, "envelope": "plain", "backup_url": spare.url})
    at.ask()
    box.fault("/anything/m", "status=503")
    at.ask()
    assert (box.tokens_issued, spare.tokens_issued) == (1, 0)
    assert box.requests[-1].query == spare.requests[-1].query


@pytest.mark.parametrize("url", ["{main}", ""])
def test_a_token_is_fetched_from_the_backup_where_the_main_url_is_down(
    two: Open, spare: Sandbox, url: str
) -> None:
    auth = {**WECHAT["auth"], "token_url": url.format(main=NOWHERE) + "/cgi-bin/token"}
    at = two(on={"auth": auth, "base_url": NOWHERE, "backup_url": spare.url})
    assert at.ask()["path"] == "/anything/m"
    assert (at.trace.fallback, spare.tokens_issued) == ("backup_url", 1)


@pytest.mark.parametrize(
    ("fault", "method", "how", "sent"),
    [
        ("status=503", {}, {}, 0), ("hang", {}, {}, 0), ("html", {}, {}, 0), ("status=429", {}, {}, 1),
        ("status=503", {"idempotent": True}, {}, 1),
        ("hang", {"idempotency_header": "Idempotency-Key"}, {"idempotency_key": "k"}, 1),
        ("hang", {"idempotency_header": "Idempotency-Key"}, {}, 0),
        ("hang", {}, {"idempotency_key": "k"}, 0),
    ],
)  # fmt: skip
def test_the_backup_url_gets_a_call_only_where_it_is_safe_to_send_again(
    two: Open, request: pytest.FixtureRequest, fault: str, method: Any, how: Any, sent: int
) -> None:
    box = request.getfixturevalue("box")
    spare = request.getfixturevalue("spare")
    box.fault("/anything/m", fault)
    at = two(on={"backup_url": spare.url}, http="POST /anything/m", **method, **hasty(fault))
    with pytest.raises(GatewayError) if not sent else nullcontext():
        at.ask(**how)
    assert len(spare.requests) == sent


def test_a_call_of_which_no_byte_was_sent_goes_to_the_backup_url(two: Open, spare: Sandbox) -> None:
    at = two(on={"base_url": NOWHERE, "backup_url": spare.url}, http="POST /anything/m")
    assert at.ask()["method"] == "POST"


def test_an_unsafe_call_is_not_sent_to_the_backup_when_an_earlier_attempt_may_have_arrived(
    two: Open, box: Sandbox, spare: Sandbox
) -> None:
    retry = {"times": 1, "backoff": 0.001}
    at = two(on={"base_url": [NOWHERE, box.url], "backup_url": spare.url, "retry": retry}, http="POST /anything/m",
             timeout={"read": 20}, deadline=3)  # fmt: skip
    box.fault("/anything/m", "hang")
    with pytest.raises(ConnectFailed):  # of the first attempt; the second ended with the deadline
        at.ask()
    assert (len(box.requests), len(spare.requests)) == (1, 0)


def test_while_the_circuit_is_open_calls_go_to_the_backup_url_at_once(
    two: Open, box: Sandbox, spare: Sandbox
) -> None:
    box.fault("/anything/m", "status=503")
    breaker = {"window": 60, "min_calls": 2, "failure_rate": 0.5, "open_for": 60}
    at = two(on={"backup_url": spare.url, "breaker": breaker})
    for _ in range(4):
        assert at.ask()["path"] == "/anything/m"
    assert (len(box.requests), len(spare.requests)) == (2, 4)
    spare.fault("/anything/m", "status=503")
    for _ in range(4):
        with pytest.raises(GatewayError):
            at.ask()
    assert at.breaker == "open"
    assert (len(box.requests), len(spare.requests)) == (
        2,
        8,
    )  # the backup's circuit has its own count: half of 8
    with pytest.raises(CircuitOpen):
        at.ask()
    assert len(spare.requests) == 8


def test_calls_to_the_backup_url_are_retried_however_long_the_main_one_has_failed(
    two: Open, box: Sandbox, spare: Sandbox
) -> None:
    box.fault("/anything/m", "status=503")
    breaker = {"window": 60, "min_calls": 3, "failure_rate": 1, "open_for": 60}
    at = two(
        on={"backup_url": spare.url, "breaker": breaker, "retry": {"times": 1, "backoff": 0.001}}
    )
    for _ in range(2):
        at.ask()
    spare.fault("/anything/m", "status=503", times=1)
    assert at.ask()["path"] == "/anything/m"
    assert len(spare.requests) == 4


def test_while_the_probes_say_down_calls_go_to_the_backup_url_at_once(
    two: Open, box: Sandbox, spare: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "POLL_SECONDS", 0.005)
    box.fault("/v1/health", "status=500")
    health = {"path": "/v1/health", "interval": 0.01, "unhealthy_after": 1}
    at = two(on={"backup_url": spare.url, "health": health}, http="POST /anything/m")
    at.gateway.start()
    assert comes_true(lambda: at.gateway.health(at.gateway.catalog.services["s"]) == "down")
    assert at.ask()["method"] == "POST"
    assert (at.trace.fallback, len(at.trace.attempts)) == ("backup_url", 1)
    assert [line["code"] for line in at.log.events if line["event"] == "fallback"] == [-1008]
    assert "/anything/m" not in paths(box)


def test_the_callers_time_bounds_all_of_them_together(
    two: Open, box: Sandbox, spare: Sandbox
) -> None:
    box.fault("/*", "status=503")
    spare.fault("/*", "hang")
    at = two({"call": "t.n"}, on={"backup_url": spare.url})
    began = time.monotonic()
    with pytest.raises(Failed):
        at.ask(timeout=4)
    assert 4 <= time.monotonic() - began < 18  # the read timeout is 20
    assert [attempt.code for attempt in at.trace.attempts] == [-1004, -1011]


def test_a_declared_answer_needs_no_time(two: Open, box: Sandbox) -> None:
    box.fault("/*", "hang")
    at = two({"static": 1}, on={"timeout": {"read": 3}})
    assert at.ask(timeout=0.1) == 1


def test_a_fallback_method_has_time_of_its_own(two: Open, box: Sandbox, spare: Sandbox) -> None:
    box.fault("/*", "hang")
    spare.fault("/*", "delay=0.15")
    at = two({"call": "t.n"}, deadline=0.1)
    assert at.ask()["path"] == "/anything/n"
    spare.fault("/*", "hang")
    with pytest.raises(DeadlineExceeded):
        two({"call": "t.n"}, deadline=0.1, other={"deadline": 0.1}).ask()


def test_the_catalog_decides_about_fallbacks_and_not_what_the_caller_may_call(
    two: Open, box: Sandbox
) -> None:
    box.fault("/*", "status=503")
    at = two({"call": "t.n"})
    assert at.ask(caller=Caller("app:x", allow=("s.m",)))["path"] == "/anything/n"


def test_parameters_that_the_other_method_refuses_leave_it_out(
    two: Open, box: Sandbox, spare: Sandbox
) -> None:
    box.fault("/*", "status=503")
    at = two({"call": "t.n"}, other={"params": {"n": {"type": "integer", "minimum": 100}}})
    with pytest.raises(Failed):
        at.ask(params={"n": 5})
    assert spare.requests == []


def test_the_other_method_fills_in_its_own_defaults(two: Open, box: Sandbox) -> None:
    box.fault("/*", "status=503")
    at = two({"call": "t.n"}, other={"params": {"n": {"type": "integer", "default": 7}}})
    assert at.ask()["query"] == {"n": ["7"]}


def test_the_fallback_of_a_fallback_is_named_when_it_answers(
    two: Open, box: Sandbox, spare: Sandbox
) -> None:
    box.fault("/*", "status=503")
    spare.fault("/*", "status=503")
    at = two({"call": "t.n"}, other={"fallback": {"static": "last"}})
    assert at.ask() == "last"
    assert (at.trace.fallback, len(at.trace.attempts)) == ("static", 2)


def test_what_may_not_be_logged_is_not_logged_by_the_fallback_either(
    two: Open, box: Sandbox
) -> None:
    box.fault("/*", "status=503")
    at = two({"call": "t.n"}, mask=["n"])
    at.ask(params={"n": 424242})
    assert b"424242" not in at.log.rendered(at.masker)


def test_a_fallbacks_answer_is_not_kept_as_the_methods_own(two: Open, box: Sandbox) -> None:
    for fallback, on in (
        ({"call": "t.n"}, {}),
        ({"static": 1}, {}),
        (None, {"backup_url": "spare"}),
    ):
        clock = FakeClock()
        at = two(
            fallback,
            cache={"ttl": 60},
            clock=clock,
            on=on and {"backup_url": box.url + "/anything"},
        )
        box.fault("/anything/m", "status=503", times=1)
        at.ask()
        assert (at.trace.cache, at.trace.fallback is None) == ("MISS", False)
        at.ask()
        assert (at.trace.cache, at.trace.fallback) == ("MISS", None)
        at.ask()
        assert at.trace.cache == "HIT"


def test_a_fallback_method_may_answer_from_its_own_cache(
    two: Open, box: Sandbox, spare: Sandbox
) -> None:
    box.fault("/*", "status=503")
    at = two({"call": "t.n"}, other={"cache": {"ttl": 60}})
    at.ask("n", service="t")
    assert at.ask()["path"] == "/anything/n"
    assert (at.trace.cache, at.trace.fallback, len(spare.requests)) == (None, "t.n", 1)


def test_the_stale_cache_is_asked_last(two: Open, box: Sandbox, spare: Sandbox) -> None:
    clock = FakeClock()
    at = two({"call": "t.n"}, cache={"ttl": 60, "stale_if_error": 600}, clock=clock)
    own = at.ask()
    clock.advance(60)
    box.fault("/*", "status=503")
    assert at.ask()["path"] == "/anything/n"
    spare.fault("/*", "status=503")
    assert at.ask() == own
    assert (at.trace.cache, at.trace.fallback) == ("STALE", "stale")


def test_a_new_catalog_brings_its_own_fallbacks(two: Open, box: Sandbox) -> None:
    box.fault("/*", "status=503")
    at = two({"static": "old"})
    assert at.ask() == "old"
    methods = {"m": {"http": "GET /anything/m", "fallback": {"static": "new"}}}
    at.gateway.swap(make_catalog({"s": service(box.url, methods=methods)}))
    assert at.ask() == "new"
