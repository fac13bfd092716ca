"""What happened to recent calls, for who made them, and for admins."""

from __future__ import annotations

from typing import Any

from flask import Response, g

from api.answers import envelope
from api.auth import token_required
from api.blueprint import Blueprint
from api.parts import parts
from gateway.errors import NotFound
from schemas.records import RecentArgs, RecordListOut

blueprint = Blueprint("calls", __name__, description="What happened to recent calls.")


@blueprint.get("/calls")
@token_required
@blueprint.arguments(RecentArgs, location="query")
@blueprint.response(200, RecordListOut)
def list_calls(asked: dict[str, Any]) -> Response:
    """The last calls, newest first: your own, an admin's everybody's."""
    return envelope({"items": parts().gateway.records.recent(g.caller, asked["limit"], failed=asked["failed"])})


@blueprint.get("/calls/<request_id>")
@token_required
@blueprint.response(200, RecordListOut)
def get_calls(request_id: str) -> Response:
    """What happened under one request id: one call, or those of a batch or an aggregate. Kept for an hour."""
    found = parts().gateway.records.find(request_id, g.caller)
    if not found:
        raise NotFound(f"There is no call of yours with the request id {request_id[:128]} in the last hour.")
    return envelope({"items": found})
