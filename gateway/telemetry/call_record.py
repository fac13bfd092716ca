"""One call's record: as the store has it, and as an answer has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from gateway.clock import iso_utc
from gateway.telemetry.ended_call import EndedCall

Record = dict[str, Any]
_pack_attempt = attrgetter(
    "full_name", "host", "status", "code", "type", "started_at", "elapsed", "first_byte", "why"
)


@dataclass(frozen=True)
class RecordQuery:
    """Which records are asked for."""

    failed: bool = False
    equal: Mapping[str, object] = field(default_factory=dict)  # such as service and code
    since: float = 0.0  # of the wall clock

    def matches(self, record: Record) -> bool:
        if record["started_at"] < self.since:
            return False
        return all(record[name] == value for name, value in self.equal.items())


def to_record(ended: EndedCall, offset: float) -> Record:
    """Return all but the parameters, in few steps; ``render`` does the rest for a reader.

    :param offset: what ``Clock.wall`` is ahead of ``Clock.now``.
    """
    call = ended.call
    trace = call.trace
    return {
        "request_id": call.request_id,
        "trace_id": call.context.trace_id,
        "caller": call.caller.id,
        "service": ended.service,
        "method": ended.method,
        "code": ended.code,
        "type": ended.type,
        "source": ended.source,
        "started_at": ended.began + offset,
        "elapsed": ended.elapsed,
        "cache": trace.cache,
        "fallback": trace.fallback,
        "replayed": trace.replayed,
        "began": ended.began,
        "shows_why": ended.shows_why,
        "attempts": list(map(_pack_attempt, trace.attempts)),
        "events": trace.events,
    }


def render(record: Record, *, is_admin: bool) -> Record:
    """Return a record, as the store has it, as an answer has it.

    Why a service said no is for admins, and for the caller where the service has opted in.
    """
    began = float(record.pop("began"))  # a number with many digits comes as an ExactNumber
    shows_why = record.pop("shows_why")
    elapsed = record.pop("elapsed")
    attempts = [
        _render_attempt(number, began, *attempt)
        for number, attempt in enumerate(record["attempts"], 1)
    ]
    if not is_admin:
        for attempt in attempts:
            if not shows_why or attempt["status"] is None:
                attempt["why"] = None
    return {
        **record,
        "why": attempts[-1]["why"] if record["code"] and attempts else None,
        "started_at": iso_utc(float(record["started_at"])),
        "elapsed_ms": _milliseconds(float(elapsed)),
        "attempts": attempts,
        "events": [
            {"at_ms": _milliseconds(float(at) - began), "what": what, "detail": detail}
            for at, what, detail in record["events"]
        ],
    }


def _render_attempt(number: int, call_began: float, *attempt: Any) -> Record:
    """:param attempt: as ``_pack_attempt`` made it."""
    called, host, status, code, kind, began, elapsed, first_byte, why = attempt
    return {
        "number": number,
        "called": called,
        "host": host,
        "status": status,
        "code": code,
        "type": kind,
        "started_ms": _milliseconds(float(began) - call_began),
        "elapsed_ms": _milliseconds(float(elapsed)),
        "first_byte_ms": None if first_byte is None else _milliseconds(float(first_byte)),
        "why": why,
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
