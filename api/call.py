"""Calling outside services: three ways to say the same call. Plain views: this is the hot path."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, request

from api.answers import envelope
from api.auth import token_required
from api.body import body_bytes, json_body
from api.errors import MethodNotAllowed
from api.idempotency import idempotency_key
from api.parts import parts
from gateway import Call
from gateway.call import Trace
from gateway.errors import fields_error
from schemas.call import CallSchema

blueprint = Blueprint("call", __name__)
_schema = CallSchema()


@blueprint.post("/call")
@token_required
def call() -> Response:
    """``{"service", "method", "params"}``."""
    asked = _schema.load(json_body())
    return _answer(asked["service"], asked["method"], asked["params"])


@blueprint.post("/call/<service>/<method>")
@token_required
def call_by_path(service: str, method: str) -> Response:
    """The parameters are the whole body; no body means none."""
    nothing = not request.content_type and not body_bytes()
    return _answer(service, method, {} if nothing else json_body())


@blueprint.get("/call/<service>/<method>")
@token_required
def call_by_query(service: str, method: str) -> Response:
    """The parameters are the query; only for methods whose own verb is GET."""
    if parts().gateway.method(service, method).verb != "GET":
        raise MethodNotAllowed("POST")
    params = {name: values[0] if len(values) == 1 else values for name, values in request.args.lists()}
    return _answer(service, method, params, from_text=True)


def _answer(service: str, method: str, params: Mapping[str, Any], *, from_text: bool = False) -> Response:
    g.called, g.trace = (service, method), Trace()
    result = parts().gateway.call(
        Call(
            service,
            method,
            params,
            caller=g.caller,
            request_id=g.request_id,
            timeout=request_timeout(),
            idempotency_key=idempotency_key(),
            from_text=from_text,
            trace=g.trace,
        )
    )
    return envelope(result.data)


def request_timeout() -> float | None:
    """``X-Request-Timeout``, in seconds."""
    text = request.headers.get("X-Request-Timeout")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise fields_error("X-Request-Timeout", ["Must be a positive number of seconds, such as 2.5."])
    return seconds


@blueprint.after_request
def tell_attempts(response: Response) -> Response:
    """``X-Attempts`` and ``Server-Timing``, on failures too."""
    trace: Trace | None = g.get("trace")
    if trace is not None:
        response.headers["X-Attempts"] = str(len(trace.attempts))
        if trace.cache:
            response.headers["X-Cache"] = trace.cache
        if trace.age is not None:
            response.headers["Age"] = str(int(trace.age))
        if trace.fallback:
            response.headers["X-Fallback"] = trace.fallback
        if trace.replayed:
            response.headers["Idempotency-Replayed"] = "true"
        downstream = trace.downstream_elapsed * 1000
        response.headers["Server-Timing"] = f"total;dur={g.elapsed_ms():.1f}, downstream;dur={downstream:.1f}"
    return response


@blueprint.after_app_request
def tell_limit(response: Response) -> Response:
    """``RateLimit-*`` wherever a call was made, on failures too."""
    trace: Trace | None = g.get("trace")
    if trace is not None and trace.turn:
        response.headers["RateLimit-Limit"] = str(trace.turn.limit)
        response.headers["RateLimit-Remaining"] = str(trace.turn.remaining)
        response.headers["RateLimit-Reset"] = str(math.ceil(trace.turn.reset))
    return response
