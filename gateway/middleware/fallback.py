"""Who answers where the service fails: another method, the backup URL, or a declared answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from marshmallow import ValidationError

from gateway.catalog.model import Method
from gateway.errors import (
    BadResponse,
    DeadlineExceeded,
    GatewayError,
    InvalidParams,
    OutcomeUnknown,
    is_failure,
)
from gateway.messages import NO_EXTRAS, Call, Extras, Page, Result, Trace
from gateway.middleware.idempotency import vendor_key
from gateway.runtime import Handler, Runtime

#: Answers a call that its method failed, or raises a ``GatewayError``: then the next one is asked.
#: The second argument says that nothing of the call can have been done yet.
StandIn = Callable[[Call, bool], Result]


def fallback(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Ask in this order what is declared: ``fallback.call``, ``backup_url``, ``fallback.static``.

    Each has time of its own; the caller's ``timeout`` bounds all of them together. Where none can
    answer, the method's own failure stands.
    """
    stand_ins = tuple(_stand_ins(next_handler, method, runtime))
    if not stand_ins:
        return next_handler

    def handle(call: Call) -> Result:
        attempts_before = len(call.trace.attempts)
        try:
            return next_handler(call)
        except GatewayError as error:
            if not is_failure(error):
                raise
            attempts = call.trace.attempts[attempts_before:]
            unsent = all(attempt.not_executed for attempt in attempts)
            for name, answer in stand_ins:
                try:
                    result = answer(call, unsent)
                except GatewayError as other:
                    detail = f"{name} could not: {other.type}"
                    call.trace.note(runtime.clock.now(), "fallback", detail)
                    continue
                note_fallback(runtime, method, call, error, call.trace.fallback or name)
                return result
            raise

    return handle


def note_fallback(
    runtime: Runtime, method: Method, call: Call, error: GatewayError, name: str
) -> None:
    """Tell the trace who answered instead, and the log also why."""
    call.trace.fallback = name
    call.trace.note(runtime.clock.now(), "fallback", f"{name}, after {error.type}")
    runtime.metrics.fallbacks.labels(method.service.name, method.name, name).inc()
    runtime.log.warning(
        "fallback",
        request_id=call.request_id,
        caller=call.caller.id,
        service=method.service.name,
        method=method.name,
        code=error.code,
        fallback=name,
    )


def _stand_ins(
    next_handler: Handler, method: Method, runtime: Runtime
) -> Iterator[tuple[str, StandIn]]:
    policy = method.fallback
    if policy and policy.call:
        yield policy.call, _other_method(method, runtime)
    if method.service.backup_url:
        yield "backup_url", _backup_url(next_handler, method, runtime)
    if policy and not policy.call:
        result = Result(policy.static, _stand_in_extras(method))
        yield "static", lambda call, unsent: result


def _other_method(method: Method, runtime: Runtime) -> StandIn:
    """Call another method with the parameters it has, whatever the caller may call itself."""
    other, handler = runtime.stand_in(method, runtime)
    names = [param.name for param in other.params]
    extras = _stand_in_extras(method)

    def answer(call: Call, unsent: bool) -> Result:
        _check_time_and_body(runtime, call)
        try:
            params = other.load_json_params(
                {name: call.params[name] for name in names if name in call.params}
            )
        except ValidationError as error:
            raise InvalidParams(fields=error.messages_dict) from error
        # Attempts and events are the call's own; cache and fallback say what the other one's were.
        trace = Trace(attempts=call.trace.attempts, events=call.trace.events)
        other_call = replace(
            call,
            service=other.service.name,
            method=other.name,
            params=params,
            vendor_key=call.vendor_key and vendor_key(call.vendor_key, other.full_name),
            trace=trace,
        )
        result = handler(other_call)
        call.trace.fallback = trace.fallback  # who answered for the other one, if somebody did
        page = result.extras.page
        if call.all_pages and page and page.next:
            raise BadResponse(
                detail=f"{other.full_name} has more pages, which nobody could ask for"
            )
        return Result(result.data, extras)  # its own are not those that this method declares

    return answer


def _stand_in_extras(method: Method) -> Extras:
    """Return what goes with the data of another: a list that goes on nowhere."""
    return Extras(page=Page(None)) if method.paginate else NO_EXTRAS


def _backup_url(next_handler: Handler, method: Method, runtime: Runtime) -> StandIn:
    """Send the same request to the backup URL, where that is safe: it is a retry."""

    def answer(call: Call, unsent: bool) -> Result:
        _check_time_and_body(runtime, call)
        if not (unsent or method.may_repeat(call.vendor_key)):
            raise OutcomeUnknown
        return next_handler(replace(call, backup=True))

    return answer


def _check_time_and_body(runtime: Runtime, call: Call) -> None:
    if call.body_consumed:
        raise OutcomeUnknown
    if runtime.clock.now() >= call.deadline:
        raise DeadlineExceeded
