"""What is checked before anything is done for a call: who, with what, how often, how long."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from marshmallow import ValidationError

from gateway.bodies import load_json
from gateway.catalog.model import Method
from gateway.errors import Forbidden, InvalidParams, fields_error
from gateway.messages import Call, Caller, Result
from gateway.middleware.limits import caller_limit
from gateway.runtime import Handler, Runtime


def admit(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Let calls go on with their parameters loaded.

    :raises Forbidden: the caller may not call the method.
    :raises InvalidParams: ``fields`` says which; or a method that streams is called as a part.
    :raises RateLimited: the caller's own limit, over all that it calls, is used up.
    """
    use_caller_limit = caller_limit(method, runtime)

    def handle(call: Call) -> Result:
        # Before the limit: what is refused uses none of it.
        call = authorize_and_validate(method, call)
        if method.stream and call.inbound is None:  # a part of something that has one answer
            raise InvalidParams(f"{method.full_name} streams; call it by itself, not in a batch.")
        if call.caller.rate is not None:
            use_caller_limit(call, call.caller.rate)
        return next_handler(call)

    return handle


def authorize_and_validate(method: Method, call: Call) -> Call:
    """Return the call with its parameters loaded.

    :raises Forbidden: the caller may not call the method.
    :raises InvalidParams: ``fields`` says which and why.
    """
    authorize(method, call.caller)
    if call.all_pages and method.paginate is None:
        raise fields_error(
            "X-Paginate", [f"The catalog does not say how {method.full_name} goes on (paginate)."]
        )
    try:
        if call.from_text:
            params = method.load_text_params(_parse_objects(method, call.params))
        else:
            params = method.load_json_params(call.params)
    except ValidationError as error:
        names = [param.name for param in method.params]
        raise InvalidParams.among(error.messages_dict, names) from error
    return call.copy_with(params, call.deadline)


def authorize(method: Method, caller: Caller) -> None:
    """:raises Forbidden: its role or its list does not cover the method."""
    if not caller.may_call(method.service.name, method.name, method.service.roles):
        raise Forbidden(
            f"You may not call {method.full_name}; ask an admin, for an app to put it into its list"
            " (flask app set --allow), for a user to give another role (flask user set-role)."
        )


def _parse_objects(method: Method, params: Mapping[str, object]) -> dict[str, object]:
    """Parse text as JSON where an object is meant; other text stays, for the schema to refuse."""
    parsed = dict(params)
    for param in method.params:
        text = params.get(param.name)
        if isinstance(text, str) and _may_be_object(param.keywords):
            with suppress(ValueError):
                parsed[param.name] = load_json(text.encode(), strict=True)
    return parsed


def _may_be_object(keywords: Mapping[str, Any]) -> bool:
    if "type" in keywords:
        return bool(keywords["type"] == "object")
    shapes = keywords.get("oneOf", ()) or keywords.get("anyOf", ())
    return any(map(_may_be_object, shapes))


def deadline(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Hand down the instant at which the method's ``deadline`` ends, or sooner the caller's."""
    budget = method.deadline
    budget_text = f"{budget:g} s"
    now = runtime.clock.now

    def handle(call: Call) -> Result:
        started_at = now()
        ends_at = started_at + budget
        if call.deadline < ends_at:
            ends_at = call.deadline
            seconds = f"{ends_at - started_at:.3f}"
            call.trace.note(started_at, "deadline", f"{seconds} s, the caller's own")
        else:
            call.trace.note(started_at, "deadline", budget_text)
        return next_handler(call.copy_with(call.params, ends_at))

    return handle
