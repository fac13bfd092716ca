"""W3C Trace Context in and out, on every attempt."""

from __future__ import annotations

import pytest

from gateway.trace_context import TraceContext
from sandbox import Sandbox
from tests.gateway.conftest import Open

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{PARENT}-01"


def sent(box: Sandbox) -> list[list[str]]:
    return [request.headers["traceparent"].split("-") for request in box.requests]


def test_a_callers_trace_goes_on_with_a_span_of_its_own_for_each_attempt(
    gate: Open, box: Sandbox
) -> None:
    at = gate(retry={"times": 1, "on": [503], "backoff": 0.01})
    box.fault("/anything", "status=503", times=1)
    at.ask(context=TraceContext.from_headers(GOOD, "vendor=1,other=2"))
    [first, second] = sent(box)
    assert (
        (first[0], first[1], first[3]) == ("00", TRACE, "01") == (second[0], second[1], second[3])
    )
    assert len({PARENT, first[2], second[2]}) == 3
    assert [request.headers["tracestate"] for request in box.requests] == ["vendor=1,other=2"] * 2
    assert [event["trace_id"] for event in at.log.events if event["event"] == "attempt"] == [
        TRACE
    ] * 2


def test_a_call_without_a_trace_begins_one(gate: Open, box: Sandbox) -> None:
    at = gate()
    at.ask()
    at.ask()
    [first, second] = sent(box)
    assert first[1] != second[1]
    assert TraceContext.from_headers("-".join(first))
    assert "tracestate" not in box.requests[0].headers


@pytest.mark.parametrize(
    "wrong",
    [
        "", "00", GOOD.upper(), GOOD[:-1], GOOD + "-more", GOOD + "0", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE[:-1]}g-{PARENT}-01", f"0-{TRACE}-{PARENT}-01", f"{GOOD},{GOOD}",
    ],
)  # fmt: skip
def test_a_traceparent_that_is_none_counts_as_absent(wrong: str) -> None:
    assert TraceContext.from_headers(wrong, "vendor=1") is None


def test_a_later_version_is_read_as_far_as_it_is_known_and_goes_on_as_ours() -> None:
    context = TraceContext.from_headers(f"cc-{TRACE}-{PARENT}-ff-what-the-future-will-be-like")
    assert context
    assert context.headers("b7ad6b7169203331") == {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


@pytest.mark.parametrize("state", ["x" * 513, "vendor=ä", "a\r\nX-Evil: 1"])
def test_a_tracestate_that_cannot_go_on_is_dropped_and_the_trace_is_not(state: str) -> None:
    context = TraceContext.from_headers(GOOD, state)
    assert context
    assert (context.trace_id, context.state) == (TRACE, "")


def test_what_its_caller_does_not_record_is_passed_on_as_such() -> None:
    context = TraceContext.from_headers(GOOD[:-1] + "0")
    assert context
    assert not context.sampled
    assert context.headers(PARENT)["traceparent"].endswith("-00")
