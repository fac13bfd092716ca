"""Who may call: users, who log in, and apps, which sign."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self
from unicodedata import normalize

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    CursorResult,
    ForeignKey,
    String,
    Text,
    delete,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.columns import now
from models.database import Base
from models.idempotency import IdempotencyKey
from schemas.fields import ROLES

# callers: Who may call: users, who log in, and apps, which sign.


class User(Base):
    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(f"role IN {ROLES!r}", name="role"),
        {
            "sqlite_autoincrement": True
        },  # or a deleted user's token would be the next user's: its subject is the id
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
        return next(
            (user for user in found if user.username == username), found[0] if found else None
        )

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
    """A tool that signs its requests. Its two live secrets are stored sealed, see ``api.auth.app_secrets``."""

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


# logins: Logins: the refresh tokens that descend from one password, and access tokens that were ended early.

KEPT_AFTER_EXPIRY = timedelta(days=1)  # so that a late refresh is told "expired" and not "unknown"


class RefreshToken(Base):
    """One refresh token, known by its SHA-256, beside the access token that was issued with it.

    All that were made from one login share a ``family``: it ends as a whole.
    """

    __tablename__ = "refresh_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    family: Mapped[str] = mapped_column(String(32), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    access_jti: Mapped[str] = mapped_column(String(32), index=True)
    access_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @classmethod
    def known_by(cls, session: Session, token_hash: str) -> Self | None:
        return session.scalar(select(cls).where(cls.token_hash == token_hash))

    @classmethod
    def owner_of(cls, session: Session, token_hash: str) -> int | None:
        return session.scalar(select(cls.user_id).where(cls.token_hash == token_hash))

    @classmethod
    def family_of(cls, session: Session, access_jti: str) -> str | None:
        """The login that an access token came from."""
        return session.scalar(select(cls.family).where(cls.access_jti == access_jti))

    @classmethod
    def use(cls, session: Session, token_hash: str, now: datetime) -> bool:
        """Mark it used; whether it was this call that did, of all that try at the same time."""
        fresh = (
            cls.token_hash == token_hash,
            cls.used_at.is_(None),
            cls.revoked_at.is_(None),
            cls.expires_at > now,
        )
        used = session.execute(update(cls).where(*fresh).values(used_at=now))
        assert isinstance(used, CursorResult)
        return used.rowcount == 1

    @classmethod
    def revoke_family(cls, session: Session, family: str, now: datetime) -> list[RevokedToken]:
        """End every refresh token of the family, and every access token of it that still runs."""
        return cls._revoke(session, cls.family == family, now)

    @classmethod
    def revoke_user(cls, session: Session, user_id: int, now: datetime) -> list[RevokedToken]:
        """End every login of the user. Comes before the user is deleted, which takes the refresh tokens along."""
        return cls._revoke(session, cls.user_id == user_id, now)

    @classmethod
    def _revoke(
        cls, session: Session, which: ColumnElement[bool], now: datetime
    ) -> list[RevokedToken]:
        session.execute(update(cls).where(which, cls.revoked_at.is_(None)).values(revoked_at=now))
        running = session.scalars(select(cls).where(which, cls.access_expires_at > now))
        ended = [
            RevokedToken(jti=each.access_jti, expires_at=each.access_expires_at) for each in running
        ]
        return [session.merge(token) for token in ended]


class RevokedToken(Base):
    """An access token that is refused although it has not expired."""

    __tablename__ = "revoked_tokens"

    jti: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


def forget_expired(session: Session, now: datetime) -> None:
    """Drop what can make no difference any more."""
    session.execute(delete(RefreshToken).where(RefreshToken.expires_at < now - KEPT_AFTER_EXPIRY))
    session.execute(delete(RevokedToken).where(RevokedToken.expires_at < now))
    IdempotencyKey.forget(session, now)
