"""Spans of calls and attempts, sent to an OpenTelemetry collector by OTLP over HTTP. Imported only where that is set.

They are made of what the records are made of, after the call: a call waits for nothing, and knows no OpenTelemetry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from gateway.messages import Attempt
from gateway.telemetry.call_records import Ended
from gateway.trace_context import Context, new_span_id

PATIENCE = 2.0  # seconds that the collector has for one request
QUEUE = (
    2048  # spans that wait for the collector, and that go to it in one request; more are dropped
)


class Spans:
    """:param endpoint: the collector's, such as ``http://localhost:4318``. The library reads its other settings itself,
    such as ``OTEL_EXPORTER_OTLP_HEADERS``.
    """

    def __init__(self, endpoint: str) -> None:
        self._resource = Resource({"service.name": "postern"}).merge(
            OTELResourceDetector().detect()
        )
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=PATIENCE)
        self._processor = BatchSpanProcessor(exporter, QUEUE, max_export_batch_size=QUEUE)

    def export(self, calls: Iterable[Ended], offset: float) -> None:
        """:param offset: what ``Clock.wall`` is ahead of ``Clock.now``."""
        for ended in calls:
            if ended.call.context.sampled:
                for span in self._of(ended, offset):
                    self._processor.on_end(span)

    def close(self) -> None:
        """Send what is left, if the collector is there."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def _of(self, ended: Ended, offset: float) -> Iterator[ReadableSpan]:
        call, context = ended.call, ended.call.context
        mine = _context(context, new_span_id())
        yield ReadableSpan(
            f"{ended.service}.{ended.method}",
            mine,
            _context(context, context.parent_id, remote=True) if context.parent_id else None,
            self._resource,
            {
                "postern.service": ended.service,
                "postern.method": ended.method,
                "postern.code": ended.code,
                "postern.caller": call.caller.id,
                "postern.request_id": call.request_id,
            },
            [
                Event(what, {"detail": said}, _nanoseconds(at + offset))
                for at, what, said in call.trace.events
            ],
            kind=SpanKind.SERVER,
            status=_status(ended.type),
            start_time=_nanoseconds(ended.began + offset),
            end_time=_nanoseconds(ended.began + ended.elapsed + offset),
        )
        for number, attempt in enumerate(call.trace.attempts, 1):
            yield self._attempt(attempt, number, mine, context, offset)

    def _attempt(
        self, attempt: Attempt, number: int, parent: SpanContext, context: Context, offset: float
    ) -> ReadableSpan:
        told: dict[str, str | int] = {"server.address": attempt.host, "postern.attempt": number}
        if attempt.status is not None:
            told["http.response.status_code"] = attempt.status
        if attempt.type:
            told["error.type"] = attempt.type
        return ReadableSpan(
            attempt.called,
            _context(context, attempt.span_id),
            parent,
            self._resource,
            told,
            kind=SpanKind.CLIENT,
            status=_status(attempt.type),
            start_time=_nanoseconds(attempt.began + offset),
            end_time=_nanoseconds(attempt.began + attempt.elapsed + offset),
        )


def _context(context: Context, span_id: str, *, remote: bool = False) -> SpanContext:
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
