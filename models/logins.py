"""Logins: the refresh tokens that descend from one password, and access tokens that were ended early."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import ColumnElement, CursorResult, ForeignKey, String, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.database import Base
from models.idempotency import IdempotencyKey

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
        fresh = (cls.token_hash == token_hash, cls.used_at.is_(None), cls.revoked_at.is_(None), cls.expires_at > now)
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
    def _revoke(cls, session: Session, which: ColumnElement[bool], now: datetime) -> list[RevokedToken]:
        session.execute(update(cls).where(which, cls.revoked_at.is_(None)).values(revoked_at=now))
        running = session.scalars(select(cls).where(which, cls.access_expires_at > now))
        ended = [RevokedToken(jti=each.access_jti, expires_at=each.access_expires_at) for each in running]
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
