"""Calling outside services: three ways to say the same call. Plain views: this is the hot path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, request

from api.auth import role_required, token_required
from api.context import add_attempt_headers, add_rate_limit_headers, app_state, prepare_traced_call
from api.errors import MethodNotAllowed
from api.http.body import read_body, read_json
from api.http.idempotency import idempotency_key
from api.http.responses import success_response
from api.http.streams import read_passthrough_request, stream_response
from gateway.errors import NotFound
from gateway.streams import ResponseStream
from schemas.calls import CallSchema
from schemas.fields import ROLES

blueprint = Blueprint("call", __name__)
blueprint.after_request(add_attempt_headers)
blueprint.after_app_request(add_rate_limit_headers)
_schema = CallSchema()


def _streams_body(service: str, method: str) -> bool:
    try:
        return app_state().gateway.method(service, method).streams_body
    except NotFound:
        return False


@blueprint.post("/call")
@token_required
def call() -> Response:
    """``{"service", "method", "params"}``."""
    asked = _schema.load(read_json())
    return _answer(asked["service"], asked["method"], asked["params"])


@blueprint.post("/call/<service>/<method>")
@role_required(*ROLES, streamed=_streams_body)
def call_by_path(service: str, method: str) -> Response:
    """The parameters are the whole body; no body means none. Of a method that streams the body they are the query."""
    if _streams_body(service, method):
        return _answer(service, method, _query(), from_text=True)
    nothing = not request.content_type and not read_body()
    return _answer(service, method, {} if nothing else read_json())


@blueprint.get("/call/<service>/<method>")
@token_required
def call_by_query(service: str, method: str) -> Response:
    """The parameters are the query; only for methods whose own verb is GET."""
    if app_state().gateway.method(service, method).verb != "GET":
        raise MethodNotAllowed("POST")
    return _answer(service, method, _query(), from_text=True)


def _query() -> dict[str, Any]:
    return {
        name: values[0] if len(values) == 1 else values for name, values in request.args.lists()
    }


@blueprint.after_request
def tell_allowed(response: Response) -> Response:
    """What OPTIONS says of a method that cannot be called by GET."""
    if request.method == "OPTIONS" and (named := request.view_args):
        method = app_state().gateway.catalog.find(**named)
        if method and method.verb != "GET":
            response.headers["Allow"] = "OPTIONS, POST"
    return response


def _answer(
    service: str, method: str, params: Mapping[str, Any], *, from_text: bool = False
) -> Response:
    call = prepare_traced_call(
        service, method, params, idempotency_key=idempotency_key(), from_text=from_text
    )
    declared = app_state().gateway.method(service, method)
    if declared.stream:
        call = replace(call, inbound=read_passthrough_request(with_body=declared.streams_body))
    data = app_state().gateway.call(call).data
    if isinstance(data, ResponseStream):
        return stream_response(
            data, (*data.headers, ("X-Accel-Buffering", "no"))
        )  # nginx would hold events back
    return success_response(data)
