"""The audit log, which admins read and nobody changes."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.auth import role_required
from api.http.blueprint import Blueprint
from api.http.lists import RowList, list_response, select_fields
from models import AuditEvent
from models.audit import CONDITIONS
from schemas.audit import AuditArgs, AuditEventListOut, AuditEventOut, AuditEventRow
from schemas.dump import row_dumper

blueprint = Blueprint("audit", __name__, description="Who did what to accounts, and when.")
_schema = AuditEventOut()
_row_schema = AuditEventRow()
_events = RowList(AuditEvent, select_fields(AuditEvent, _schema), row_dumper(_schema), CONDITIONS)


@blueprint.get("/audit")
@role_required("admin")
@blueprint.arguments(AuditArgs, location="query")
@blueprint.response(200, AuditEventListOut)
def list_audit_events(args: dict[str, Any]) -> Response:
    """What was done to users, apps and others' belongings, filtered and sorted."""
    return list_response(_events, _row_schema, args)
