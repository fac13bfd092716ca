"""What was done to accounts and to others' belongings, written in the transaction that does it.

AuditEvent.record(session, Origin("cli:ann", address="build-7"), Act("app.rotate", "app:shop"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.columns import utc_now
from models.database import Base

MAX_DELETED_EVENTS = 200  # by one transaction, so that none takes long
MAX_NAME_CHARACTERS = 255
#: Columns that say who may do what: their new values are kept; of all others, the names alone.
RECORDED_COLUMNS = frozenset({"role", "disabled", "allow", "rate"})


@dataclass(frozen=True)
class Origin:
    """Who acts, and from where.

    :param actor: ``user:7``, ``app:shop``, or ``cli:ann`` of a command's user on its machine.
    :param address: of the caller, or the name of the machine that a command ran on.
    """

    actor: str
    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Act:
    """What is done.

    :param object: ``user:7``, ``app:shop``, ``file:9``.
    :param name: of the object, as people know it: its id may mean nothing once it is deleted.
    :param changed: columns and their new values; without those that are not ``RECORDED_COLUMNS``.
    """

    action: str
    object: str
    name: str | None = None
    changed: Mapping[str, Any] = field(default_factory=dict)


class AuditEvent(Base):
    __tablename__ = "audit_events"
    # Without it the next event would have the id of a deleted one, which was told to somebody.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    actor: Mapped[str] = mapped_column(sa.String(80), index=True)
    action: Mapped[str] = mapped_column(sa.String(32), index=True)
    object: Mapped[str] = mapped_column(sa.String(255), index=True)
    name: Mapped[str | None] = mapped_column(sa.String(MAX_NAME_CHARACTERS))
    changed: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    address: Mapped[str | None] = mapped_column(sa.String(255))
    request_id: Mapped[str | None] = mapped_column(sa.String(128))

    @classmethod
    def record(cls, session: Session, origin: Origin, act: Act, now: datetime) -> None:
        """Add one event; it is there if and only if the session's transaction is committed."""
        event = sa.insert(cls).values(
            created_at=now,
            actor=origin.actor,
            action=act.action,
            object=act.object,
            name=act.name and act.name[:MAX_NAME_CHARACTERS],
            changed={
                column: value if column in RECORDED_COLUMNS else None
                for column, value in sorted(act.changed.items())
            },
            address=origin.address,
            request_id=origin.request_id,
        )
        session.execute(event)

    @classmethod
    def delete_expired(cls, session: Session, now: datetime, keep: timedelta) -> None:
        """Delete some of the events that are older than ``keep``, the oldest first.

        Those that another transaction is deleting are left to it, without a wait.
        """
        expired = sa.select(cls.id).where(cls.created_at < now - keep).order_by(cls.created_at)
        batch = expired.limit(MAX_DELETED_EVENTS).with_for_update(skip_locked=True)
        ids = list(session.scalars(batch))
        if ids:
            session.execute(sa.delete(cls).where(cls.id.in_(ids)))


#: By the name of a filter: the condition for its value.
CONDITIONS: Mapping[str, Callable[[Any], sa.ColumnElement[bool]]] = {
    "actor": lambda actor: AuditEvent.actor == actor,
    "action": lambda action: AuditEvent.action == action,
    "object": lambda name: AuditEvent.object == name,
    "since": lambda moment: AuditEvent.created_at >= moment,
}
