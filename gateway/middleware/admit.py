"""What comes before anything is done for a call: may this caller, and are the parameters right."""

from __future__ import annotations

from dataclasses import replace

from marshmallow import ValidationError

from gateway.call import Call, Caller
from gateway.catalog import Method
from gateway.errors import Forbidden, InvalidParams
from gateway.parts import Handler, Parts


def admit(method: Method, parts: Parts, following: Handler) -> Handler:
    """Calls go on with their parameters loaded; see ``admitted`` for what they are refused with."""
    if method.stream:
        return lambda call: following(_single(method, admitted(method, call)))
    return lambda call: following(admitted(method, call))


def _single(method: Method, call: Call) -> Call:
    if call.inbound is None:  # a part of something that has one answer
        raise InvalidParams(f"{method.full_name} streams; call it by itself.")
    return call


def admitted(method: Method, call: Call) -> Call:
    """:raises Forbidden: the caller may not call it.
    :raises InvalidParams: ``fields`` says which and why.
    """
    allow(method, call.caller)
    schema = method.text_schema if call.from_text else method.json_schema
    try:
        return replace(call, params=schema.load(call.params))
    except ValidationError as error:
        raise InvalidParams(fields=error.messages_dict) from error


def allow(method: Method, caller: Caller) -> None:
    """:raises Forbidden: its role or its list does not cover the method."""
    if not caller.may_call(method.service.name, method.name, method.service.roles):
        raise Forbidden(f"You may not call {method.full_name}.")
