"""Callers: users, who log in, and apps, which sign; and the tokens of logins."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self
from unicodedata import normalize

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.columns import utc_now
from models.database import Base
from models.idempotency import IdempotencyKey
from schemas.fields import ROLES


class User(Base):
    __tablename__ = "users"
    __table_args__ = (
        sa.CheckConstraint(f"role IN {ROLES!r}", name="role"),
        # Without it a deleted user's token, whose subject is the id, would be the next user's.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    name: Mapped[str | None] = mapped_column(sa.String(150))
    age: Mapped[int | None]
    email: Mapped[str | None] = mapped_column(sa.String(254))
    role: Mapped[str] = mapped_column(sa.String(16), default="user")
    password_hash: Mapped[str] = mapped_column(sa.String(255))
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - how SQLAlchemy spells it

    @classmethod
    def by_username(cls, session: Session, username: str) -> Self | None:
        """Return the user of this name, as ``username_of`` returns it.

        An older version stored names as typed: one in another normal form comes second.
        """
        forms = {username, normalize("NFD", username)}
        users = session.scalars(sa.select(cls).where(cls.username.in_(forms)))
        return min(users, key=lambda user: user.username != username, default=None)

    @classmethod
    def get_shared(cls, session: Session, user_id: int) -> Self | None:
        """Return the user, locked: nobody changes or deletes it until the transaction ends."""
        return session.get(cls, user_id, populate_existing=True, with_for_update={"read": True})

    @classmethod
    def lock_admins(cls, session: Session) -> list[int]:
        """Lock all admins who may log in, so that the last two cannot both go; return their ids."""
        enabled = sa.select(cls.id).where(cls.role == "admin", cls.disabled.is_(False))
        admins = enabled.order_by(cls.id)
        return list(session.scalars(admins.with_for_update()))


class App(Base):
    """A tool that signs its requests; ``api.auth.app_secrets`` seals its two secrets."""

    __tablename__ = "apps"

    id: Mapped[int] = mapped_column(primary_key=True)
    app_id: Mapped[str] = mapped_column(sa.String(64), unique=True)
    secret: Mapped[str] = mapped_column(sa.Text)
    previous_secret: Mapped[str | None] = mapped_column(sa.Text)
    allow: Mapped[list[str]] = mapped_column(sa.JSON, default=list)
    rate: Mapped[str | None] = mapped_column(sa.String(32))
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_used_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - how SQLAlchemy spells it

    @classmethod
    def by_app_id(cls, session: Session, app_id: str, *, lock: bool = False) -> Self | None:
        query = sa.select(cls).where(cls.app_id == app_id)
        if lock:
            query = query.with_for_update()
        return session.scalar(query)


#: That a late refresh is answered "expired" and not "unknown".
EXPIRED_TOKEN_RETENTION = timedelta(days=1)


class RefreshToken(Base):
    """One refresh token, stored as its SHA-256, and the access token that was issued with it.

    All tokens of one login share a ``family``, which is revoked as a whole.
    """

    __tablename__ = "refresh_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    family: Mapped[str] = mapped_column(sa.String(32), index=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    access_jti: Mapped[str] = mapped_column(sa.String(32), index=True)
    access_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @classmethod
    def by_hash(cls, session: Session, token_hash: str) -> Self | None:
        return session.scalar(sa.select(cls).where(cls.token_hash == token_hash))

    @classmethod
    def user_id_of(cls, session: Session, token_hash: str) -> int | None:
        return session.scalar(sa.select(cls.user_id).where(cls.token_hash == token_hash))

    @classmethod
    def family_of(cls, session: Session, access_jti: str) -> str | None:
        """Return the login that an access token came from."""
        return session.scalar(sa.select(cls.family).where(cls.access_jti == access_jti))

    @classmethod
    def mark_used(cls, session: Session, token_hash: str, now: datetime) -> bool:
        """Mark a valid token used; of all calls that try it at the same time, one returns true."""
        valid = (
            cls.token_hash == token_hash,
            cls.used_at.is_(None),
            cls.revoked_at.is_(None),
            cls.expires_at > now,
        )
        result = session.execute(sa.update(cls).where(*valid).values(used_at=now))
        assert isinstance(result, sa.CursorResult)
        return result.rowcount == 1

    @classmethod
    def revoke_family(cls, session: Session, family: str, now: datetime) -> list[RevokedToken]:
        """Revoke the family's refresh tokens; return its unexpired access tokens, revoked too."""
        return cls._revoke(session, cls.family == family, now)

    @classmethod
    def revoke_user(
        cls, session: Session, user_id: int, now: datetime, *, but: str | None = None
    ) -> list[RevokedToken]:
        """Do the same for a user's logins, ``but`` for one family.

        It comes before the user is deleted, which deletes the refresh tokens.
        """
        condition = cls.user_id == user_id
        if but is not None:
            condition &= cls.family != but
        return cls._revoke(session, condition, now)

    @classmethod
    def _revoke(
        cls, session: Session, condition: sa.ColumnElement[bool], now: datetime
    ) -> list[RevokedToken]:
        session.execute(
            sa.update(cls).where(condition, cls.revoked_at.is_(None)).values(revoked_at=now)
        )
        valid = session.scalars(sa.select(cls).where(condition, cls.access_expires_at > now))
        revoked = [
            RevokedToken(jti=token.access_jti, expires_at=token.access_expires_at)
            for token in valid
        ]
        return [session.merge(token) for token in revoked]


class RevokedToken(Base):
    """An access token that is refused although it has not expired."""

    __tablename__ = "revoked_tokens"

    jti: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


def delete_expired(session: Session, now: datetime) -> None:
    """Delete the rows of tokens and idempotency keys that can make no difference any more."""
    oldest = now - EXPIRED_TOKEN_RETENTION
    session.execute(sa.delete(RefreshToken).where(RefreshToken.expires_at < oldest))
    session.execute(sa.delete(RevokedToken).where(RevokedToken.expires_at < now))
    IdempotencyKey.delete_expired(session, now)
