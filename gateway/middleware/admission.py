"""What comes before anything is done for a call: may this caller, and are the parameters right."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from marshmallow import ValidationError

from gateway.bodies import load_json
from gateway.catalog.model import Method
from gateway.errors import Forbidden, InvalidParams
from gateway.messages import Call, Caller, Result
from gateway.runtime import Handler, Runtime

# admit: What comes before anything is done for a call: may this caller, and are the parameters right.


def admit(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Calls go on with their parameters loaded; see ``admitted`` for what they are refused with."""
    if method.stream:
        return lambda call: next_handler(_single(method, admitted(method, call)))
    return lambda call: next_handler(admitted(method, call))


def _single(method: Method, call: Call) -> Call:
    if call.inbound is None:  # a part of something that has one answer
        raise InvalidParams(f"{method.full_name} streams; call it by itself.")
    return call


def admitted(method: Method, call: Call) -> Call:
    """:raises Forbidden: the caller may not call it.
    :raises InvalidParams: ``fields`` says which and why.
    """
    allow(method, call.caller)
    try:
        params = (
            method.text_schema.load(_read(method, call.params))
            if call.from_text
            else method.json_schema.load(call.params)
        )
        return replace(call, params=params)
    except ValidationError as error:
        raise InvalidParams(fields=error.messages_dict) from error


def _read(method: Method, params: Mapping[str, object]) -> dict[str, object]:
    """Text where an object is meant is JSON; what is none stays text, which the schema refuses."""
    read = dict(params)
    for param in method.params:
        text = params.get(param.name)
        if param.keywords["type"] == "object" and isinstance(text, str):
            with suppress(ValueError):
                read[param.name] = load_json(text.encode(), strict=True)
    return read


def allow(method: Method, caller: Caller) -> None:
    """:raises Forbidden: its role or its list does not cover the method."""
    if not caller.may_call(method.service.name, method.name, method.service.roles):
        raise Forbidden(f"You may not call {method.full_name}.")


# deadline: One time budget for the whole call, handed down as an instant.


def deadline(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """The method's ``deadline``, or the caller's where that ends sooner."""
    budget, now, whole = method.deadline, runtime.clock.now, f"{method.deadline:g} s"

    def handle(call: Call) -> Result:
        at = now()
        ends = at + budget
        if call.deadline < ends:
            ends = call.deadline
            call.trace.note(at, "deadline", f"{ends - at:.3f} s, the caller's own")
        else:
            call.trace.note(at, "deadline", whole)
        return next_handler(replace(call, deadline=ends))

    return handle
