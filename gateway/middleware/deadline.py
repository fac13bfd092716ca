"""One time budget for the whole call, handed down as an instant."""

from __future__ import annotations

from dataclasses import replace

from gateway.call import Call, Result
from gateway.catalog import Method
from gateway.parts import Handler, Parts


def deadline(method: Method, parts: Parts, following: Handler) -> Handler:
    """The method's ``deadline``, or the caller's where that ends sooner."""
    budget, now, whole = method.deadline, parts.clock.now, f"{method.deadline:g} s"

    def handle(call: Call) -> Result:
        at = now()
        ends = at + budget
        if call.deadline < ends:
            ends = call.deadline
            call.trace.note(at, "deadline", f"{ends - at:.3f} s, the caller's own")
        else:
            call.trace.note(at, "deadline", whole)
        return following(replace(call, deadline=ends))

    return handle
