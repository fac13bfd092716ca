"""Several calls in one request: a batch that the caller lists, or an aggregate that the catalog declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from api.auth import token_required
from api.context import app_state, prepare_call
from api.errors import PartialFailure, describe_error, error_response
from api.http.body import read_json
from api.http.idempotency import idempotency_key
from api.http.responses import success_response
from gateway import Call
from gateway.batch import Outcome
from gateway.errors import InvalidParams
from gateway.middleware.idempotency import part_key
from schemas.calls import BatchSchema

blueprint = Blueprint("batch", __name__)
_schema = BatchSchema()


@blueprint.post("/batch")
@token_required
def batch() -> Response:
    """``{"calls": [{"id", "service", "method", "params", "optional"}, ...]}``, at most 20, side by side."""
    asked = _schema.load(read_json())["calls"]
    calls = {
        each["id"]: _call(each["service"], each["method"], each["params"], each["id"])
        for each in asked
    }
    return _answer(
        app_state().gateway.call_batch(calls, {each["id"] for each in asked if each["optional"]})
    )


@blueprint.get("/aggregate/<name>")
@token_required
def aggregate(name: str) -> Response:
    """A declared aggregate; its parameters are the query."""
    return _aggregate(name, {})


@blueprint.post("/aggregate/<name>")
@token_required
def aggregate_by_body(name: str) -> Response:
    """The same, for an aggregate that takes something from a JSON body, too."""
    body = read_json()
    if not isinstance(body, dict):
        raise InvalidParams(fields={"_schema": ["Invalid input type."]})
    return _aggregate(name, body)


def _aggregate(name: str, body: Mapping[str, Any]) -> Response:
    query = {
        name: values[0] if len(values) == 1 else values for name, values in request.args.lists()
    }
    return _answer(
        app_state().gateway.aggregate(name, {"query": query, "body": body}, _call("", "", {}, name))
    )


def _call(service: str, method: str, params: Mapping[str, Any], part: str) -> Call:
    """One of the calls; an ``Idempotency-Key`` of the request counts for each of them apart."""
    return prepare_call(service, method, params, idempotency_key=part_key(idempotency_key(), part))


def _answer(outcomes: Mapping[str, Outcome]) -> Response:
    """200, or 207 where a call that is not optional failed; either way every call's own envelope."""
    data = {name: _told(outcome) for name, outcome in outcomes.items()}
    failed = [each.error for each in outcomes.values() if each.error and not each.optional]
    return error_response(PartialFailure(failed), data) if failed else success_response(data)


def _told(outcome: Outcome) -> dict[str, Any]:
    error, elapsed = outcome.error, {"elapsed_ms": round(outcome.elapsed * 1000, 1)}
    if error is None:
        return {"code": 0, "message": "success", "data": outcome.data, **elapsed}
    return {
        "code": error.code,
        "message": error.message,
        "data": None,
        "error": describe_error(error),
        **elapsed,
    }
