"""Who may call: users, who log in, and apps, which sign."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from sqlalchemy import JSON, CheckConstraint, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.database import Base
from schemas.catalog import ROLES


def now() -> datetime:
    return datetime.now(UTC)


class User(Base):
    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(f"role IN {ROLES!r}", name="role"),
        {"sqlite_autoincrement": True},  # or a deleted user's token would be the next user's: its subject is the id
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(150), unique=True)
    name: Mapped[str | None] = mapped_column(String(150))
    age: Mapped[int | None]
    email: Mapped[str | None] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(16), default="user")
    password_hash: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(default=now)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - how SQLAlchemy spells it

    @classmethod
    def named(cls, session: Session, username: str) -> Self | None:
        return session.scalar(select(cls).where(cls.username == username))


class App(Base):
    """A tool that signs its requests. Its two live secrets are stored sealed, see ``api.app_secrets``."""

    __tablename__ = "apps"

    id: Mapped[int] = mapped_column(primary_key=True)
    app_id: Mapped[str] = mapped_column(String(64), unique=True)
    secret: Mapped[str] = mapped_column(Text)
    previous_secret: Mapped[str | None] = mapped_column(Text)
    allow: Mapped[list[str]] = mapped_column(JSON, default=list)
    rate: Mapped[str | None] = mapped_column(String(32))
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)

    @classmethod
    def named(cls, session: Session, app_id: str) -> Self | None:
        return session.scalar(select(cls).where(cls.app_id == app_id))
