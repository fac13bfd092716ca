"""Where a call stands in a trace that goes through several programs.

Source: W3C Trace Context (www.w3.org/TR/trace-context), ``traceparent`` and ``tracestate``.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

LONGEST_STATE = (
    512  # characters of ``tracestate`` that are passed on; a longer one is dropped whole
)
SAMPLED = 1  # the flag that says the trace is recorded

_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(r"[\x20-\x7e\t]*")


@dataclass(frozen=True, slots=True)
class Context:
    """One trace, as it came to us.

    :param parent_id: the span of who asked us; None where the trace begins here.
    :param flags: two hex digits.
    :param state: what others have to say of it, passed on unread.
    """

    trace_id: str
    parent_id: str | None = None
    flags: str = "01"
    state: str = ""

    @classmethod
    def begun(cls) -> Context:
        """A new trace. It is sampled: our log and the record of the call have it."""
        return cls(f"{random.getrandbits(128) or 1:032x}")  # a name, no secret

    @classmethod
    def read(cls, traceparent: str, tracestate: str = "") -> Context | None:
        """What the caller's headers say; None where they are wrong, as if they had not come."""
        found = _PARENT.fullmatch(traceparent.strip())
        if (
            found is None
            or (found[1] == "00" and found[5])
            or not (int(found[2], 16) and int(found[3], 16))
        ):
            return None
        passes = len(tracestate) <= LONGEST_STATE and _STATE.fullmatch(tracestate)
        return cls(
            found[2], found[3], f"{int(found[4], 16) & SAMPLED:02x}", tracestate if passes else ""
        )

    @property
    def sampled(self) -> bool:
        return bool(int(self.flags, 16) & SAMPLED)

    def headers(self, span_id: str) -> dict[str, str]:
        """For a request of the span ``span_id``."""
        told = {"traceparent": f"00-{self.trace_id}-{span_id}-{self.flags}"}
        return {**told, "tracestate": self.state} if self.state else told


def new_span_id() -> str:
    return f"{random.getrandbits(64) or 1:016x}"
