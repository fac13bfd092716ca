"""PostgreSQL's advisory locks, by a name. SQLite has one writer at a time anyway: it needs none."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.database import Transaction


def lock_name(session: Session, name: str) -> None:
    """Wait for the lock and hold it until our transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(name, 0))))


def try_lock_name(session: Transaction, name: str) -> bool:
    """Take the lock without waiting; false if another transaction holds it."""
    connection = session.get_bind() if isinstance(session, Session) else session
    if connection.dialect.name != "postgresql":
        return True
    lock = sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtextextended(name, 0)))
    return bool(session.execute(lock).scalar())
