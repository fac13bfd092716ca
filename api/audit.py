"""The audit log, for views: who asks, and from where, is known from the request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from api.auth.wiring import auth_services
from api.context import app_state
from api.request_context import current_context
from models import Act, AuditEvent, Origin


def record_act(session: Session, act: Act) -> None:
    """Write down what this request's caller does, in the transaction that does it."""
    context = current_context()
    state = context.g
    origin = Origin(state.caller.id, context.request.remote_addr, state.request_id)
    record(session, origin, act)


def record(session: Session, origin: Origin, act: Act) -> None:
    now = auth_services().now()
    AuditEvent.record(session, origin, act, now)
    delete_expired_events(session, now)


def delete_expired_events(session: Session, now: datetime) -> None:
    """Delete some of the events that are older than AUDIT_KEEP_DAYS."""
    keep = timedelta(days=app_state().settings.audit_keep_days)
    AuditEvent.delete_expired(session, now, keep)


def app_act(verb: str, app_id: str, changed: Mapping[str, Any] | None = None) -> Act:
    return Act(f"app.{verb}", f"app:{app_id}", app_id, changed or {})


def record_if_others(session: Session, owner: str, act: Act) -> None:
    """Write down what an admin does to what is somebody else's; to one's own it is no act."""
    if owner != current_context().g.caller.id:
        record_act(session, act)
