"""The audit log, which admins read and nobody changes."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.auth import role_required
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.etags import etag_response
from api.http.lists import RowList, csv_response, select_fields, wants_csv
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
    if wants_csv():
        return csv_response(_events, _row_schema, args)
    with app_state().database.read_connection() as connection:
        return etag_response(_events.page(connection, args))
