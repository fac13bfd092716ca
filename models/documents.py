"""Tables of the JSON documents and files that callers store.

``owner`` is a caller's id: ``user:7``, ``app:shop``.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.columns import utc_now
from models.database import Base, locks
from schemas.numbers import dump_exactly, read_number


class Json(sa.TypeDecorator[Any]):
    """Any JSON value, null included, as text: SQLite's own JSON type would turn 1.0 into 1."""

    impl = sa.Text
    cache_ok = True
    should_evaluate_none = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:
        return dump_exactly(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        return None if value is None else json.loads(value, parse_float=read_number)


class Document(Base):
    __tablename__ = "documents"
    # Without it the next document would have a deleted one's id, and so its ETag.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(200), unique=True)
    value: Mapped[Any] = mapped_column(Json)
    owner: Mapped[str] = mapped_column(sa.String(80), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

    @classmethod
    def by_key(cls, session: Session, key: str, *, lock: bool = False) -> Self | None:
        query = sa.select(cls).where(cls.key == key)
        if lock:
            query = query.with_for_update()
        return session.scalar(query)


class File(Base):
    """A file, whose bytes are at a path made from ``stored_as``, which we choose, not ``name``."""

    __tablename__ = "files"
    __table_args__ = (sa.CheckConstraint("size >= 0", name="size"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(255))
    content_type: Mapped[str] = mapped_column(sa.String(255))
    size: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    stored_as: Mapped[str] = mapped_column(sa.String(32), unique=True)
    owner: Mapped[str] = mapped_column(sa.String(80), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    @classmethod
    def total_bytes(cls, session: Session, owner: str) -> int:
        """Return the bytes of all files of one owner, exact until our transaction ends."""
        locks.lock_name(session, f"files:{owner}")
        query = sa.select(sa.func.coalesce(sa.func.sum(cls.size), 0)).where(cls.owner == owner)
        return int(session.scalar(query) or 0)

    @classmethod
    def is_stored(cls, session: Session, stored_as: str) -> bool:
        return bool(session.scalar(sa.select(sa.exists().where(cls.stored_as == stored_as))))
