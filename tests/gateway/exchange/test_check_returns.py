"""``check_returns``: an answer of another shape is told, or is a failure."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import BadResponse
from gateway.streams import PassthroughRequest, RequestStream
from tests.gateway.fakes import Gate, answer

RETURNS = {"items": {"type": "array", "required": True, "items": {"type": "integer"}}}
WRONG = answer(b'{"items": [1, "a secret word"]}')
PLACE = "data.items.1: Not a valid integer."


def count(at: Gate) -> float | None:
    labels = {"service": "s", "method": "m"}
    value = at.gateway.metrics.registry.get_sample_value("postern_unexpected_answers_total", labels)
    return value and float(value)


def test_with_log_the_answer_is_given_and_told_in_log_metric_and_record(wire: Any) -> None:
    _, at = wire(WRONG, returns=RETURNS, check_returns="log")
    assert at.ask() == {"items": [1, "a secret word"]}
    lines = [line for line in at.log.events if line["event"] == "unexpected_answer"]
    assert [(line["service"], line["method"], line["why"]) for line in lines] == [("s", "m", PLACE)]
    assert (count(at), at.trace.attempts[0].code) == (1, 0)
    assert ("unexpected answer", PLACE) in [event[1:] for event in at.trace.events]
    assert b"secret word" not in at.log.rendered(at.masker)


def test_with_fail_it_is_a_bad_answer_that_names_the_place_in_one_attempt(wire: Any) -> None:
    vendor, at = wire(WRONG, WRONG, returns=RETURNS, check_returns="fail", retry={"times": 2})
    with pytest.raises(BadResponse) as caught:
        at.ask()
    assert caught.value.message == f"The service answered another shape: {PLACE}"
    assert [(attempt.code, attempt.why) for attempt in at.trace.attempts] == [(-1005, PLACE)]
    assert (count(at), len(vendor.heard)) == (1, 1)


def test_an_answer_of_the_shape_passes_whatever_else_it_has(wire: Any) -> None:
    raw = answer(b'{"items": [1], "more": {"a": null}}')
    _, at = wire(raw, returns=RETURNS, check_returns="fail")
    assert at.ask()["more"] == {"a": None}
    assert count(at) is None


def test_what_is_checked_is_the_data_out_of_its_envelope(wire: Any) -> None:
    raw = answer(b'{"code": 0, "result": [{"id": "1"}]}')
    envelope = {"code": "code", "ok": [0], "data": "result"}
    returns = {
        "type": "array",
        "items": {"type": "object", "properties": {"id": {"type": "integer"}}},
    }
    _, at = wire(raw, envelope=envelope, returns=returns, check_returns="fail")
    with pytest.raises(BadResponse, match=r"data\.0\.id: Not a valid integer"):
        at.ask()


def test_returns_alone_checks_nothing(wire: Any) -> None:
    _, at = wire(WRONG, returns=RETURNS)
    assert at.ask()
    assert count(at) is None


def test_a_bad_answer_is_not_cached_and_lets_a_fallback_answer(wire: Any) -> None:
    method = {"returns": RETURNS, "check_returns": "fail", "cache": {"ttl": 60}}
    _, at = wire(WRONG, WRONG, fallback={"static": {"items": []}}, **method)
    assert at.ask() == at.ask() == {"items": []}
    assert count(at) == 2


def test_the_answer_to_an_upload_that_streams_is_checked(wire: Any) -> None:
    _, at = wire(
        WRONG, http="POST /", stream=True, body="raw", returns=RETURNS, check_returns="fail"
    )
    body = RequestStream(iter([b"abc"]), lambda: b"abc", 3)
    with pytest.raises(BadResponse, match=r"data\.items\.1"):
        at.ask(inbound=PassthroughRequest(body=body))
