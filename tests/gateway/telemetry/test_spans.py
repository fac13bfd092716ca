"""Spans of calls and attempts, as a collector gets them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway import GatewayError
from gateway.telemetry import spans
from gateway.telemetry.spans import SpanExporter
from gateway.trace_context import TraceContext
from sandbox import Sandbox
from tests.collector import Collector
from tests.gateway.conftest import Open
from tests.gateway.fakes import USER, WAIT_SECONDS, Gate

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setattr(spans, "REQUEST_TIMEOUT_SECONDS", WAIT_SECONDS)
    with Collector() as running:
        yield running


def collected_spans(at: Gate, collector: Collector) -> list[Any]:
    at.gateway.records.flush()
    at.gateway.close()
    return collector.spans


def attributes(span: Any) -> dict[str, Any]:
    return {
        span.key: getattr(span.value, span.value.WhichOneof("value")) for span in span.attributes
    }


def test_a_call_is_a_span_of_its_callers_trace_and_each_attempt_one_below_it(
    gate: Open, box: Sandbox, collector: Collector
) -> None:
    at = gate(retry={"times": 1, "on": [503], "backoff": 0.01})
    at.gateway.records.exporter = SpanExporter(collector.url)
    box.fault("/anything", "status=503", times=1)
    at.ask(context=TraceContext.from_headers(f"00-{TRACE}-{PARENT}-01", "vendor=1"))
    call, first, second = collected_spans(at, collector)
    assert [span.name for span in (call, first, second)] == ["s.m"] * 3
    assert {span.trace_id.hex() for span in (call, first, second)} == {TRACE}
    assert {span.trace_state for span in (call, first, second)} == {"vendor=1"}
    assert (call.parent_span_id.hex(), first.parent_span_id, second.parent_span_id) == (
        PARENT,
        call.span_id,
        call.span_id,
    )
    sent = [request.headers["traceparent"].split("-")[2] for request in box.requests]
    assert [first.span_id.hex(), second.span_id.hex()] == sent
    assert (call.kind, first.kind, second.kind) == (2, 3, 3)  # SERVER, CLIENT
    assert (first.status.code, first.status.message, second.status.code) == (
        2,
        "downstream_error",
        0,
    )
    assert attributes(first)["http.response.status_code"] == 503
    assert attributes(call)["postern.request_id"] == "r-1"
    assert [event.name for event in call.events] == ["deadline", "retry"]
    assert call.start_time_unix_nano <= first.start_time_unix_nano < first.end_time_unix_nano
    assert (
        first.end_time_unix_nano
        < second.start_time_unix_nano
        < second.end_time_unix_nano
        <= call.end_time_unix_nano
    )
    assert collector.services == {"postern"}


def test_a_failed_call_is_an_error_and_a_trace_that_is_not_recorded_has_no_spans(
    gate: Open, box: Sandbox, collector: Collector
) -> None:
    at = gate("GET /status/404")
    at.gateway.records.exporter = SpanExporter(collector.url)
    for flags in ("01", "00"):
        with pytest.raises(GatewayError):
            at.ask(context=TraceContext.from_headers(f"00-{TRACE}-{PARENT}-{flags}"))
    call, attempt = collected_spans(at, collector)
    assert (call.status.code, call.status.message) == (2, "downstream_rejected")
    assert attributes(attempt)["error.type"] == "downstream_rejected"


def test_a_collector_that_is_away_holds_nothing_up(gate: Open) -> None:
    at = gate()
    at.gateway.records.exporter = SpanExporter("http://127.0.0.1:9")
    at.ask()
    at.gateway.records.flush()
    assert at.gateway.records.find("r-1", USER)
