"""Who may call: users, who log in, and apps, which sign."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self
from unicodedata import normalize

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
        """The user of this name, which ``username_of`` made; an older version stored names as they were typed."""
        forms = {username, normalize("NFD", username)}
        found = session.scalars(select(cls).where(cls.username.in_(forms))).all()
        return next((user for user in found if user.username == username), found[0] if found else None)

    @classmethod
    def held(cls, session: Session, user_id: int) -> Self | None:
        """The user, whom nobody changes or deletes until the transaction ends."""
        return session.get(cls, user_id, populate_existing=True, with_for_update={"read": True})

    @classmethod
    def lock_admins(cls, session: Session) -> list[int]:
        """The ids of all admins, who stay as they are until the transaction ends: so the last two cannot both go."""
        admins = select(cls.id).where(cls.role == "admin").order_by(cls.id)
        return list(session.scalars(admins.with_for_update()))


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
    def named(cls, session: Session, app_id: str, *, lock: bool = False) -> Self | None:
        query = select(cls).where(cls.app_id == app_id)
        return session.scalar(query.with_for_update() if lock else query)
