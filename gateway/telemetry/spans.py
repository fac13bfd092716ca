"""Spans of calls and attempts, sent to an OpenTelemetry collector by OTLP over HTTP.

They are made after the call, as its record is. Imported only where that is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from gateway.messages import Attempt
from gateway.telemetry.ended_call import EndedCall
from gateway.trace_context import TraceContext, new_span_id

REQUEST_TIMEOUT_SECONDS = 2.0
#: Spans that wait for the collector, and that go to it in one request; more are dropped.
MAX_QUEUED_SPANS = 2048


class SpanExporter:
    """Sends what has ended to the collector.

    :param endpoint: the collector's, such as ``http://localhost:4318``. The library reads its other
        settings itself, such as ``OTEL_EXPORTER_OTLP_HEADERS``.
    """

    def __init__(self, endpoint: str) -> None:
        name = Resource({"service.name": "postern"})
        self._resource = name.merge(OTELResourceDetector().detect())
        url = f"{endpoint.rstrip('/')}/v1/traces"
        exporter = OTLPSpanExporter(url, timeout=REQUEST_TIMEOUT_SECONDS)
        self._processor = BatchSpanProcessor(
            exporter, MAX_QUEUED_SPANS, max_export_batch_size=MAX_QUEUED_SPANS
        )

    def export(self, calls: Iterable[EndedCall], offset: float) -> None:
        """:param offset: what ``Clock.wall`` is ahead of ``Clock.now``."""
        for ended in calls:
            if ended.call.context.sampled:
                for span in self._spans(ended, offset):
                    self._processor.on_end(span)

    def close(self) -> None:
        """Send the spans that wait, if the collector is there."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def _spans(self, ended: EndedCall, offset: float) -> Iterator[ReadableSpan]:
        """Yield the span of a call and those of its attempts."""
        call = ended.call
        context = call.context
        span = _span_context(context, new_span_id())
        caller_span = None
        if context.parent_id:
            caller_span = _span_context(context, context.parent_id, remote=True)
        yield ReadableSpan(
            f"{ended.service}.{ended.method}",
            span,
            caller_span,
            self._resource,
            {
                "postern.service": ended.service,
                "postern.method": ended.method,
                "postern.code": ended.code,
                "postern.caller": call.caller.id,
                "postern.request_id": call.request_id,
            },
            [
                Event(what, {"detail": detail}, _nanoseconds(at + offset))
                for at, what, detail in call.trace.events
            ],
            kind=SpanKind.SERVER,
            status=_status(ended.type),
            start_time=_nanoseconds(ended.began + offset),
            end_time=_nanoseconds(ended.began + ended.elapsed + offset),
        )
        for number, attempt in enumerate(call.trace.attempts, 1):
            yield self._attempt_span(attempt, number, span, context, offset)

    def _attempt_span(
        self,
        attempt: Attempt,
        number: int,
        parent: SpanContext,
        context: TraceContext,
        offset: float,
    ) -> ReadableSpan:
        attributes: dict[str, str | int] = {
            "server.address": attempt.host,
            "postern.attempt": number,
        }
        if attempt.status is not None:
            attributes["http.response.status_code"] = attempt.status
        if attempt.type:
            attributes["error.type"] = attempt.type
        return ReadableSpan(
            attempt.full_name,
            _span_context(context, attempt.span_id),
            parent,
            self._resource,
            attributes,
            kind=SpanKind.CLIENT,
            status=_status(attempt.type),
            start_time=_nanoseconds(attempt.started_at + offset),
            end_time=_nanoseconds(attempt.started_at + attempt.elapsed + offset),
        )


def _span_context(context: TraceContext, span_id: str, *, remote: bool = False) -> SpanContext:
    state = TraceState.from_header([context.state]) if context.state else None
    return SpanContext(
        int(context.trace_id, 16),
        int(span_id, 16),
        remote,
        TraceFlags(int(context.flags, 16)),
        state,
    )


def _status(error: str | None) -> Status:
    return Status(StatusCode.ERROR, error) if error else Status()


def _nanoseconds(wall: float) -> int:
    return int(wall * 1e9)
