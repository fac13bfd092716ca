"""Where a call stands in a trace that goes through several programs.

Source: W3C Trace Context (www.w3.org/TR/trace-context), ``traceparent`` and ``tracestate``.
"""

from __future__ import annotations

import random
import re

from gateway.values import value

MAX_STATE_CHARACTERS = 512  # of ``tracestate``; a longer one is dropped whole
SAMPLED = 1  # the flag that says the trace is recorded

_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(r"[\x20-\x7e\t]*")


@value
class TraceContext:
    """One trace, as it came to us.

    :param parent_id: the span of the program that called us; None where the trace begins here.
    :param flags: two hex digits.
    :param state: what other programs have to say of it, passed on unread.
    """

    trace_id: str
    parent_id: str | None = None
    flags: str = "01"
    state: str = ""

    @classmethod
    def new(cls) -> TraceContext:
        """Begin a trace; it is sampled."""
        return cls(f"{random.getrandbits(128) or 1:032x}")  # a name, no secret

    @classmethod
    def from_headers(cls, traceparent: str, tracestate: str = "") -> TraceContext | None:
        """Read the caller's headers; None where they are wrong, as if they had not come."""
        match = _PARENT.fullmatch(traceparent.strip())
        if match is None:
            return None
        version, trace_id, parent_id, flags, rest = match.groups()
        if version == "00" and rest:
            return None
        if not int(trace_id, 16) or not int(parent_id, 16):
            return None
        if len(tracestate) > MAX_STATE_CHARACTERS or not _STATE.fullmatch(tracestate):
            tracestate = ""
        return cls(trace_id, parent_id, f"{int(flags, 16) & SAMPLED:02x}", tracestate)

    @property
    def sampled(self) -> bool:
        return bool(int(self.flags, 16) & SAMPLED)

    def headers(self, span_id: str) -> dict[str, str]:
        """Return the headers for a request of the span ``span_id``."""
        headers = {"traceparent": f"00-{self.trace_id}-{span_id}-{self.flags}"}
        if self.state:
            headers["tracestate"] = self.state
        return headers


def new_span_id() -> str:
    return f"{random.getrandbits(64) or 1:016x}"
