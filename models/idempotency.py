"""Answers given under an Idempotency-Key, written in the transaction that they report."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.columns import utc_now
from models.database import Base, Transaction, locks

RETENTION = timedelta(hours=24)


class IdempotencyKey(Base):
    """``key_hash`` is of the caller and its key; ``record`` is encrypted."""

    __tablename__ = "idempotency_keys"

    key_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    record: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)

    @classmethod
    def find_record(cls, session: Transaction, key_hash: str, now: datetime) -> str | None:
        """Return the record stored under the key within the last 24 hours."""
        oldest = now - RETENTION
        query = sa.select(cls.record).where(cls.key_hash == key_hash, cls.created_at > oldest)
        return session.execute(query).scalar()

    @classmethod
    def try_lock(cls, session: Transaction, key_hash: str) -> bool:
        """Lock the key until our transaction ends; false if another transaction holds it."""
        return locks.try_lock_name(session, f"idempotency:{key_hash}")

    @classmethod
    def store(cls, session: Transaction, key_hash: str, record: str, now: datetime) -> None:
        session.execute(sa.delete(cls).where(cls.key_hash == key_hash))  # an expired one
        session.execute(sa.insert(cls).values(key_hash=key_hash, record=record, created_at=now))

    @classmethod
    def delete_expired(cls, session: Session, now: datetime) -> None:
        session.execute(sa.delete(cls).where(cls.created_at < now - RETENTION))
