"""Records of recent calls, for their caller and for admins."""

from __future__ import annotations

from typing import Any

from flask import Response, g

from api.auth import token_required
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.etags import etag_response
from gateway.errors import NotFound
from gateway.telemetry.call_record import RecordQuery
from schemas.calls import CallRecordOut, RecentArgs, RecordListOut

blueprint = Blueprint("records", __name__, description="What happened to recent calls.")
FILTERS = ("service", "method", "caller", "code")


@blueprint.get("/calls")
@token_required
@blueprint.arguments(RecentArgs, location="query")
@blueprint.response(200, RecordListOut)
def list_calls(args: dict[str, Any]) -> Response:
    """The last calls, filtered, newest first: your own, an admin's everybody's."""
    skip = args["skip"]
    limit = args["limit"]
    equal = {name: args[name] for name in FILTERS if name in args}
    since = args["since"].timestamp() if "since" in args else 0.0
    query = RecordQuery(args["failed"], equal, since)
    records = app_state().gateway.records.search(g.caller, query)
    page = records[skip : skip + limit]
    return etag_response({"items": page, "total": len(records), "skip": skip, "limit": limit})


@blueprint.get("/calls/<request_id>")
@token_required
@blueprint.response(200, CallRecordOut)
def get_call(request_id: str) -> Response:
    """What happened to the call of one request; of a batch or an aggregate, to each. Kept for an hour."""  # noqa: E501  # the summary in the OpenAPI file
    records = app_state().gateway.records.find(request_id, g.caller)
    if not records:
        raise NotFound(
            f"There is no call of yours with the request id {request_id[:128]} in the last hour;"
            " GET /api/v1/calls lists those that there are."
        )
    return etag_response({**records[0], "more": records[1:]})
