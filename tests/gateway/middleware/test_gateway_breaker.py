"""When a service is left alone, what counts against it, and how it comes back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.errors import CircuitOpen, DeadlineExceeded, Failed, GatewayError, ReadTimeout
from sandbox import Sandbox
from tests.gateway.fakes import (
    FakeClock,
    Gate,
    LeapingClock,
    answer,
    make_call,
    make_catalog,
    service,
)

Open = Callable[..., Gate]
BREAKER = {"window": 10, "min_calls": 4, "failure_rate": 0.5, "open_for": 5}
#: The same where time is the system's: it stays open while the test looks.
LASTING = {**BREAKER, "window": 600, "open_for": 600}
CODED = {
    "code": "errcode",
    "ok": [0],
    "errors": {"-1": "downstream_error", "7": "invalid_signature", "8": "downstream_quota"},
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def broken(gate: Open, clock: FakeClock) -> Open:
    """Service ``s`` with a breaker that opens after four failures, on a clock that stands still."""

    def make(http: str = "GET /anything", **options: Any) -> Gate:
        return gate(
            http, on={"breaker": BREAKER, **options.pop("on", {})}, **{"clock": clock, **options}
        )

    return make


def fails(at: Gate, times: int = 1, **how: Any) -> GatewayError:
    """Every one of these calls; the last one's error."""
    for _ in range(times):
        with pytest.raises(GatewayError) as caught:
            at.ask(**how)
    return caught.value


def opened(at: Gate, box: Sandbox, spec: str = "status=500") -> None:
    """Fail until the circuit is open, then forget what was sent; the fault stays."""
    box.fault("/anything", spec)
    fails(at, 4)
    assert state(at) == "open"


def state(at: Gate) -> str:
    return at.breaker


def test_an_open_circuit_refuses_at_once_and_says_how_long(
    broken: Open, box: Sandbox, clock: FakeClock
) -> None:
    at = broken()
    opened(at, box)
    clock.advance(2)
    error = fails(at, 3)
    assert (type(error), error.code, error.retry_after) == (CircuitOpen, -1007, 3)
    assert (len(box.requests), at.trace.attempts) == (4, [])


@pytest.mark.parametrize(
    "fault", ["status=500", "status=503", "close", "reset", "hang", "html", "short", "status=302"]
)
def test_failures_of_the_service_count(broken: Open, box: Sandbox, fault: str) -> None:
    at = broken(timeout={"read": 0.05})
    box.fault("/anything", fault)
    fails(at, 4)
    assert state(at) == "open"


def test_not_to_be_reached_counts(broken: Open, box: Sandbox) -> None:
    at = broken()
    box.stop()
    fails(at, 4)
    assert state(at) == "open"


@pytest.mark.parametrize(
    ("code", "verdict"), [(-1, "open"), (40003, "closed"), (7, "closed"), (8, "closed")]
)
def test_a_vendors_code_inside_a_200_counts_as_what_it_means(
    broken: Open, wire: Any, clock: FakeClock, code: int, verdict: str
) -> None:
    server, _ = wire(*[answer(f'{{"errcode": {code}}}'.encode())] * 4)
    at = broken(on={"base_url": server.url, "envelope": CODED})
    fails(at, 4)
    assert state(at) == verdict


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
def test_what_the_service_says_no_to_does_not_count(
    broken: Open, box: Sandbox, status: int
) -> None:
    at = broken()
    box.fault("/anything", f"status={status}")
    fails(at, 10)
    assert state(at) == "closed"


def test_a_refusal_is_no_success_either(broken: Open, box: Sandbox) -> None:
    at = broken()
    box.fault("/anything", "status=404")
    fails(at, 10)
    box.fault("/anything", "status=500")
    fails(at, 4)
    assert state(at) == "open"


def test_a_credential_that_cannot_be_had_does_not_count(broken: Open, box: Sandbox) -> None:
    auth = {
        "type": "app_secret",
        "app_id": "wrong",
        "secret": "wrong",
        "token_url": "/cgi-bin/token",
    }
    at = broken(on={"auth": auth})
    assert fails(at, 10).code == -1012
    assert state(at) == "closed"


def test_a_callers_own_short_deadline_never_counts(broken: Open, box: Sandbox, gate: Open) -> None:
    at = gate(on={"breaker": LASTING}, timeout={"read": 0.06}, deadline=60)
    box.fault("/anything", "hang")
    assert {type(fails(at, timeout=0.055)) for _ in range(6)} == {DeadlineExceeded}
    assert state(at) == "closed"
    assert type(fails(at, 4, timeout=20)) is ReadTimeout
    assert state(at) == "open"


def test_silence_for_the_methods_whole_deadline_counts(gate: Open, box: Sandbox) -> None:
    at = gate(on={"breaker": LASTING}, timeout={"read": 20}, deadline=1)
    box.fault("/anything", "hang")
    errors = []
    # Four; on a busy machine a part of a deadline may be over before the service is asked.
    while state(at) == "closed" and len(errors) < 8:
        errors.append(type(fails(at)))
    assert set(errors) == {DeadlineExceeded}
    assert len(errors) >= 4
    assert state(at) == "open"


def test_an_attempt_cut_short_by_the_deadline_after_an_earlier_one_does_not_count(
    gate: Open, box: Sandbox
) -> None:
    at = gate(on={"breaker": {**LASTING, "min_calls": 2}}, timeout={"read": 20}, deadline=7,
              retry={"times": 1, "backoff": 0.001})  # fmt: skip
    box.fault("/*", "hang")
    box.fault("/anything", "delay=1;status=503", times=1)
    assert type(fails(at)) is Failed
    assert [attempt.code for attempt in at.trace.attempts] == [-1004, -1011]
    assert state(at) == "closed"


def test_one_call_is_let_through_and_its_success_closes(
    broken: Open, box: Sandbox, clock: FakeClock
) -> None:
    at = broken()
    opened(at, box)
    box.fault("/anything", "")
    clock.advance(5)
    assert state(at) == "half_open"
    assert at.ask()["method"] == "GET"
    assert state(at) == "closed"
    assert at.ask()["method"] == "GET"


def test_its_failure_opens_again_for_the_whole_time(
    broken: Open, box: Sandbox, clock: FakeClock
) -> None:
    at = broken()
    opened(at, box)
    clock.advance(5)
    assert fails(at).code == -1004
    assert fails(at).retry_after == 5
    assert len(box.requests) == 5


@pytest.mark.parametrize("status", [401, 404, 429])
def test_a_no_is_an_answer_that_closes(
    broken: Open, box: Sandbox, clock: FakeClock, status: int
) -> None:
    at = broken()
    opened(at, box)
    box.fault("/anything", f"status={status}")
    clock.advance(5)
    fails(at)
    assert state(at) == "closed"


def test_a_probe_in_a_hurry_gives_its_turn_to_the_next(gate: Open, box: Sandbox) -> None:
    clock = LeapingClock()
    at = gate(on={"breaker": LASTING}, clock=clock)
    opened(at, box)
    box.fault("/anything", "hang", times=1)
    clock.ahead += LASTING["open_for"]
    assert type(fails(at, timeout=2)) is DeadlineExceeded
    assert state(at) == "half_open"
    assert at.ask()["method"] == "GET"
    assert state(at) == "closed"


def test_fifty_threads_send_one_probe(broken: Open, box: Sandbox, clock: FakeClock) -> None:
    at = broken()
    opened(at, box)
    box.fault("/anything", "delay=0.3;status=503")
    clock.advance(5)

    def one(_: int) -> int:
        with pytest.raises(GatewayError) as caught:
            at.gateway.call(make_call())
        return caught.value.code

    with ThreadPoolExecutor(50) as pool:
        codes = list(pool.map(one, range(50)))
    assert (codes.count(-1007), codes.count(-1004)) == (49, 1)
    assert len(box.requests) == 5


def test_a_retry_that_meets_the_open_circuit_says_what_the_service_did(
    broken: Open, box: Sandbox
) -> None:
    at = broken(retry={"times": 9, "backoff": 0.001})
    box.fault("/anything", "status=503")
    error = fails(at)
    assert (type(error), len(box.requests)) == (Failed, 4)
    assert type(fails(at)) is CircuitOpen


def test_what_has_failed_many_times_in_a_row_is_not_sent_again(broken: Open, box: Sandbox) -> None:
    at = broken(retry={"times": 2, "backoff": 0.001})
    for _ in range(20):  # so that it takes twenty failures to open
        at.ask()
    box.fault("/anything", "status=503")
    sent = []
    for _ in range(4):
        fails(at)
        sent.append(len(at.trace.attempts))
    assert sent == [3, 1, 1, 1]
    box.fault("/anything", "")
    at.ask()
    box.fault("/anything", "status=503", times=2)
    assert at.ask()
    assert len(at.trace.attempts) == 3


def test_all_methods_of_a_service_share_its_circuit_and_no_other_service_does(
    open_gate: Open, box: Sandbox, clock: FakeClock
) -> None:
    methods = {"m": {"http": "GET /anything"}, "n": {"http": "GET /items"}}
    declared = service(box.url, methods=methods, breaker=BREAKER)
    at = open_gate({"s": declared, "t": declared}, clock=clock)
    opened(at, box)
    assert fails(at, method="n").code == -1007
    assert at.ask("n", service="t")


def test_a_reload_keeps_the_circuit_and_changes_its_settings(
    broken: Open, box: Sandbox, clock: FakeClock
) -> None:
    at = broken()
    box.fault("/anything", "status=500")
    fails(at, 2)
    methods = {"m": {"http": "GET /anything"}}
    changed = service(box.url, methods=methods, breaker={**BREAKER, "min_calls": 3, "open_for": 60})
    at.gateway.swap(make_catalog({"s": changed}))
    fails(at)
    assert fails(at).retry_after == 60
    at.gateway.swap(make_catalog({"s": changed}))
    assert state(at) == "open"


def test_each_change_has_one_line_in_the_log(broken: Open, box: Sandbox, clock: FakeClock) -> None:
    at = broken()
    opened(at, box)
    fails(at, 3)
    clock.advance(5)
    fails(at)
    clock.advance(5)
    box.fault("/anything", "")
    at.ask()
    at.ask()
    lines = [
        (line["service"], line["state"], line["why"])
        for line in at.log.events
        if line["event"] == "breaker"
    ]
    probe = ("s", "half_open", "one call may go")
    assert lines == [
        ("s", "open", "4 of 4 calls failed, the last: downstream_error"), probe,
        ("s", "open", "the one call let through: downstream_error"), probe,
        ("s", "closed", "the one call let through: answered"),
    ]  # fmt: skip
