"""One time budget for the whole call; each attempt has its own timeout inside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.errors import DeadlineExceeded, Failed, GatewayError, ReadTimeout
from sandbox import Sandbox
from tests.gateway.fakes import WECHAT, FakeClock, Gate, comes_true

Open = Callable[..., Gate]
HEALTH = {"status": "ok"}
SOON_SECONDS = (
    30  # however long this process stands still; every other time limit here takes longer
)


def failure(gate: Gate, **how: float) -> tuple[GatewayError, float]:
    began = time.monotonic()
    with pytest.raises(GatewayError) as caught:
        gate.ask(**how)
    return caught.value, time.monotonic() - began


def test_a_hang_is_a_timeout_when_the_attempts_own_time_ends_first(
    gate: Open, box: Sandbox
) -> None:
    box.fault("/anything", "hang")
    error, took = failure(gate(timeout={"read": 0.1}, deadline=60))
    assert (type(error), error.code) == (ReadTimeout, -1001)
    assert 0.1 <= took < SOON_SECONDS


@pytest.mark.parametrize("fault", ["hang", "drip=0.1", "drip-headers=0.1"])
def test_a_hang_is_deadline_exceeded_when_the_deadline_ends_first(
    gate: Open, box: Sandbox, fault: str
) -> None:
    box.fault("/anything", fault)
    error, took = failure(gate(timeout={"read": 60}, deadline=0.15))
    assert (type(error), error.code) == (DeadlineExceeded, -1011)
    assert 0.15 <= took < SOON_SECONDS


def test_the_callers_timeout_lowers_the_deadline(gate: Open, box: Sandbox) -> None:
    box.fault("/anything", "hang")
    error, took = failure(gate(timeout={"read": 60}, deadline=60), timeout=0.1)
    assert error.code == -1011
    assert error.message.startswith(
        "The call's time budget of 0.1 s (X-Request-Timeout) is spent; send a larger one, up to 60."
    )
    assert 0.1 <= took < SOON_SECONDS


def test_the_callers_timeout_never_raises_the_deadline(gate: Open, box: Sandbox) -> None:
    box.fault("/anything", "hang")
    error, took = failure(gate(timeout={"read": 60}, deadline=0.1), timeout=60)
    assert error.code == -1011
    assert error.message.startswith(
        "The call's time budget of 0.1 s (deadline) is spent; an admin may raise that."
    )
    assert took < SOON_SECONDS


def test_attempts_end_with_the_deadline_and_the_service_is_blamed(gate: Open, box: Sandbox) -> None:
    box.fault("/anything", "delay=0.05;status=503")
    at = gate(retry={"times": 1000, "backoff": 0.001}, deadline=4)
    error, took = failure(at)
    assert (type(error), error.code) == (Failed, -1004)
    assert 2 <= len(at.trace.attempts) <= 80
    assert took < SOON_SECONDS


def test_the_earlier_failure_is_told_when_the_deadline_ends_a_later_attempt(
    gate: Open, box: Sandbox
) -> None:
    at = gate(retry={"times": 2, "backoff": 0.001}, timeout={"read": 60}, deadline=4)
    box.fault("/*", "hang")
    box.fault("/anything", "status=503", times=1)
    error, _ = failure(at)
    assert (type(error), error.code) == (Failed, -1004)
    assert [attempt.code for attempt in at.trace.attempts] == [-1004, -1011]


def test_a_wait_that_would_outlast_the_deadline_is_not_begun(gate: Open, box: Sandbox) -> None:
    clock = FakeClock()
    retry = {"times": 9, "backoff": 4, "max_backoff": 100}
    at = gate(retry=retry, deadline=10, clock=clock, jitter=lambda: 1.0)
    box.fault("/anything", "status=503")
    assert failure(at)[0].code == -1004
    assert clock.slept == [4]
    assert len(box.requests) == 2


def test_each_attempt_has_its_whole_timeout_again(gate: Open, box: Sandbox) -> None:
    box.fault("/anything", "hang", times=2)
    at = gate(retry={"times": 2, "backoff": 0.001}, timeout={"read": 2}, deadline=60)
    at.ask()
    assert [attempt.code for attempt in at.trace.attempts] == [-1001, -1001, 0]
    assert all(attempt.elapsed >= 2 for attempt in at.trace.attempts[:2])
    assert at.trace.downstream_elapsed >= 4


def test_fetching_a_token_counts_against_the_deadline(gate: Open, box: Sandbox) -> None:
    box.fault("/cgi-bin/token", "hang")
    at = gate("POST /cgi-bin/message/send", on=WECHAT, timeout={"read": 60}, deadline=2)
    error, took = failure(at)
    assert error.code == -1011
    assert took < SOON_SECONDS
    assert [request.path for request in box.requests] == ["/cgi-bin/token"]


def test_waiting_for_anothers_token_ends_at_ones_own_deadline(gate: Open, box: Sandbox) -> None:
    box.fault("/cgi-bin/token", "hang")
    at = gate("GET /x", on=WECHAT, timeout={"read": 60}, deadline=60)
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(failure, at)
        assert comes_true(lambda: box.requests)
        error, _ = failure(at, timeout=0.1)
        assert error.code == -1011
        assert not fetching.done()
        box.stop()
        assert fetching.result()[0].code == -1003


def test_an_impatient_caller_does_not_fail_those_who_wait_for_its_token(
    gate: Open, box: Sandbox
) -> None:
    box.fault("/cgi-bin/token", "hang", times=1)
    at = gate(
        "POST /anything", on={**WECHAT, "envelope": "plain"}, timeout={"read": 20}, deadline=40
    )
    with ThreadPoolExecutor(1) as pool:
        impatient = pool.submit(failure, at, timeout=2)
        assert comes_true(lambda: box.requests)
        assert at.ask()["method"] == "POST"
        assert impatient.result()[0].code == -1011
    assert box.tokens_issued == 1


def test_a_deadline_that_is_over_sends_nothing(gate: Open, box: Sandbox) -> None:
    assert failure(gate(), timeout=-1.0)[0].code == -1011
    assert box.requests == []


def test_an_answer_in_time_is_an_answer(gate: Open, box: Sandbox) -> None:
    box.fault("/v1/health", "delay=0.05")
    assert gate("GET /v1/health", timeout={"read": 20}, deadline=20).ask(timeout=15) == HEALTH


def test_at_whatever_moment_the_time_ends_it_is_the_deadline_that_is_told(
    open_gate: Open, box: Sandbox
) -> None:
    """Each look at the clock takes a minute: the time ends before connecting, before sending, and so on.

    What is left of it when the answer is waited for is really waited, and a minute is enough.
    """

    class Hasty(FakeClock):
        def now(self) -> float:
            self.advance(60)
            return super().now()

    outcomes = set()
    for minutes in range(1, 60):
        methods = {"m": {"http": "GET /anything"}}
        limits = {
            "timeout": {"connect": 3600, "read": 3600},
            "deadline": 3600,
            "retry": {"times": 0},
        }
        at = open_gate(
            {"s": {"base_url": box.url, "allow_private": True, **limits, "methods": methods}},
            clock=Hasty(),
        )
        try:
            at.ask(timeout=minutes * 60)
            outcomes.add("answered")
        except GatewayError as error:
            outcomes.add(error.type)
    assert outcomes == {"deadline_exceeded", "answered"}
