"""What was answered under an Idempotency-Key, written in the very transaction that the answer tells of."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, String, Text, delete, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models import postgresql
from models.columns import now
from models.database import Base

LIFE = timedelta(hours=24)


class IdempotencyKey(Base):
    """``key_hash`` is of the caller and its key; ``record`` is sealed."""

    __tablename__ = "idempotency_keys"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    record: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)

    @classmethod
    def record_of(
        cls, session: Session | Connection, key_hash: str, moment: datetime
    ) -> str | None:
        """What was kept under the key within the last 24 hours."""
        fresh = (cls.key_hash == key_hash, cls.created_at > moment - LIFE)
        return session.execute(select(cls.record).where(*fresh)).scalar()

    @classmethod
    def claim(cls, session: Session | Connection, key_hash: str) -> bool:
        """Whether no other transaction works under the key, as none will until ours ends."""
        return postgresql.try_alone(session, f"idempotency:{key_hash}")

    @classmethod
    def keep(
        cls, session: Session | Connection, key_hash: str, record: str, moment: datetime
    ) -> None:
        session.execute(delete(cls).where(cls.key_hash == key_hash))  # one that is too old
        session.execute(insert(cls).values(key_hash=key_hash, record=record, created_at=moment))

    @classmethod
    def forget(cls, session: Session, moment: datetime) -> None:
        session.execute(delete(cls).where(cls.created_at < moment - LIFE))
