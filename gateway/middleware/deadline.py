"""One time budget for the whole call, handed down as an instant."""

from __future__ import annotations

from dataclasses import replace

from gateway.call import Call, Result
from gateway.catalog import Method
from gateway.parts import Handler, Parts


def deadline(method: Method, parts: Parts, following: Handler) -> Handler:
    """The method's ``deadline``, or the caller's where that ends sooner."""
    budget, now = method.deadline, parts.clock.now

    def handle(call: Call) -> Result:
        return following(replace(call, deadline=min(call.deadline, now() + budget)))

    return handle
