"""Calls of outside services: three ways to make one, a batch, an aggregate of the catalog.

Plain views, without flask-smorest: this is the hot path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import orjson
from flask import Blueprint, Response

from api.auth import role_required, token_required
from api.calls.form_params import merge_params, read_form_params, takes_form
from api.context import app_state, prepare_call, prepare_traced_call
from api.errors import MethodNotAllowed, PartialFailure
from api.http.bodies import JSON_TYPE, read_body, read_json
from api.http.bodies.multipart import FORM_TYPE
from api.http.bodies.streams import read_passthrough_request, stream_response
from api.http.error_response import describe_error, error_response
from api.http.idempotency import idempotency_key
from api.http.responses import success_response
from api.request_context import current_context
from gateway.batch import Outcome, part_call
from gateway.errors import InvalidParams, fields_error
from gateway.messages import NO_EXTRAS, Call
from gateway.middleware.idempotency import part_key
from gateway.state.answer_cache import StoredResult
from gateway.streams import ResponseStream
from schemas.calls import load_batch, load_call
from schemas.fields import ROLES

_BY_POST = (
    "{service}.{method} is no GET; send its parameters by POST:"
    " curl --json '{{...}}' URL/api/v1/call/{service}/{method}"
)
_NO_QUERY = " Of a POST only the body is read for parameters, and not the query."
_NO_BODY = " Of a GET only the query is read for parameters, and not the body (curl -G)."
blueprint = Blueprint("call", __name__)
_NO_BUFFERING = ("X-Accel-Buffering", "no")  # nginx would hold events back


def _streams_body(service: str, method: str) -> bool:
    return app_state().gateway.streams.get((service, method), False)


@blueprint.post("/call")
@token_required
def call() -> Response:
    """``{"service", "method", "params"}``."""
    data = load_call(read_json())
    return _run(data["service"], data["method"], data["params"])


@blueprint.post("/call/<service>/<method>")
@role_required(*ROLES, streamed=_streams_body)
def call_by_path(service: str, method: str) -> Response:
    """Take the parameters from the body, or from the query if the method streams the body."""
    if _streams_body(service, method):
        return _run(service, method, _query_params(), from_text=True)
    content_type = current_context().request.environ.get("CONTENT_TYPE")
    try:
        if content_type == JSON_TYPE:
            return _run(service, method, read_json())
        if not content_type and not read_body():
            return _run(service, method, {})
        return _call_by_other_body(service, method)
    except InvalidParams as error:
        incoming = current_context().request
        if incoming.environ["QUERY_STRING"] and incoming.mimetype != FORM_TYPE:
            error.message += _NO_QUERY
        raise


def _call_by_other_body(service: str, method: str) -> Response:
    """Take the parameters from a form where the method sends one, else from JSON."""
    declared = app_state().gateway.method(service, method, current_context().g.caller)
    if not takes_form(declared):
        return _run(service, method, read_json())
    if current_context().request.mimetype == FORM_TYPE:
        params = merge_params(_query_params(), read_form_params(declared))
        return _run(service, method, params, from_text=True)
    return _run(service, method, read_json(or_else=FORM_TYPE))


@blueprint.get("/call/<service>/<method>")
@token_required
def call_by_query(service: str, method: str) -> Response:
    """Take the parameters from the query; only for methods whose own verb is GET."""
    if app_state().gateway.method(service, method, current_context().g.caller).verb != "GET":
        raise MethodNotAllowed("POST", _BY_POST.format(service=service, method=method))
    try:
        return _run(service, method, _query_params(), from_text=True)
    except InvalidParams as error:
        if current_context().request.environ.get("CONTENT_LENGTH", "0") != "0":
            error.message += _NO_BODY
        raise


@blueprint.post("/batch")
@token_required
def batch() -> Response:
    """``{"calls": [{"id", "service", "method", "params", "optional"}, ...]}``, run side by side."""
    items = load_batch(read_json())
    template = _prepare_parts(idempotency_key())
    calls = {
        item["id"]: part_call(
            template,
            item["id"],
            (item["service"], item["method"]),
            item["params"],
            all_pages="paginate" in item,
        )
        for item in items
    }
    optional = {item["id"] for item in items if item["optional"]}
    return _batch_response(app_state().gateway.call_batch(calls, optional))


@blueprint.get("/aggregate/<name>")
@token_required
def aggregate(name: str) -> Response:
    """Run a declared aggregate; its parameters are the query."""
    return _run_aggregate(name, {})


@blueprint.post("/aggregate/<name>")
@token_required
def aggregate_by_body(name: str) -> Response:
    """Run an aggregate that also takes parameters from a JSON body."""
    body = read_json()
    if not isinstance(body, dict):
        raise InvalidParams(fields={"_schema": ["Invalid input type."]})
    return _run_aggregate(name, body)


@blueprint.after_request
def add_allow_header(response: Response) -> Response:
    """Have OPTIONS say that a method cannot be called by GET."""
    incoming = current_context().request
    if incoming.method == "OPTIONS" and (names := incoming.view_args) and "service" in names:
        method = app_state().gateway.catalog.find(**names)
        if method and method.verb != "GET":
            response.headers["Allow"] = "OPTIONS, POST"
    return response


def _query_params() -> dict[str, Any]:
    """Return the parameters of the query; one that is given more than once is a list."""
    query: str = current_context().request.environ["QUERY_STRING"]
    lists: dict[str, list[str]] = {}
    for name, value in parse_qsl(query.encode("latin-1").decode(), keep_blank_values=True):
        lists.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in lists.items()}


def _run(
    service: str, method: str, params: Mapping[str, Any], *, from_text: bool = False
) -> Response:
    call = prepare_traced_call(
        service,
        method,
        params,
        heeds_paginate=True,
        idempotency_key=idempotency_key(),
        from_text=from_text,
    )
    gateway = app_state().gateway
    with_body = gateway.streams.get((service, method))
    if with_body is not None:
        call = replace(call, inbound=read_passthrough_request(with_body=with_body))
    result = gateway.call(call)
    page = result.extras.page
    if result.extras is not NO_EXTRAS:
        current_context().g.answer_headers = result.extras.headers
    if isinstance(result, StoredResult):
        return success_response(orjson.Fragment(result.json), page=page)
    data = result.data
    if isinstance(data, ResponseStream):
        return stream_response(data, (*data.headers, _NO_BUFFERING))
    return success_response(data, page=page)


def _run_aggregate(name: str, body: Mapping[str, Any]) -> Response:
    sources = {"query": _query_params(), "body": body}
    key = part_key(idempotency_key(), name)
    template = _prepare_parts(key)
    return _batch_response(app_state().gateway.aggregate(name, sources, template))


def _prepare_parts(key: str | None) -> Call:
    """Return what the calls of a batch or an aggregate have in common.

    :raises InvalidParams: all pages are asked for, and nobody knows of which of them.
    """
    template = prepare_call("", "", {}, heeds_paginate=True, idempotency_key=key)
    if template.all_pages:
        raise fields_error(
            "X-Paginate", ['Is for one call; in a batch, write "paginate": "all" in that call.']
        )
    return template


def _batch_response(outcomes: Mapping[str, Outcome]) -> Response:
    """Answer each call's own envelope: 200, or 207 where one failed that is not optional."""
    data = {name: _envelope(outcome) for name, outcome in outcomes.items()}
    errors = [item.error for item in outcomes.values() if item.error and not item.optional]
    if errors:
        response = error_response(PartialFailure(errors), data)
    else:
        response = success_response(data)
    has_key = "HTTP_IDEMPOTENCY_KEY" in current_context().request.environ
    if has_key and all(outcome.replayed for outcome in outcomes.values()):
        response.headers["Idempotency-Replayed"] = "true"
    return response


def _envelope(outcome: Outcome) -> dict[str, Any]:
    error = outcome.error
    elapsed_ms = round(outcome.elapsed * 1000, 1)
    if error is None:
        return {
            "code": 0,
            "message": "success",
            "data": outcome.data,
            **outcome.extras.to_dict(),
            "elapsed_ms": elapsed_ms,
        }
    return {
        "code": error.code,
        "message": error.message,
        "data": None,
        "error": describe_error(error, current_context().request.root_path),
        "elapsed_ms": elapsed_ms,
    }
