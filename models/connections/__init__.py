"""Accounts that services are connected to, and the requests of admins to connect one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.columns import utc_now
from models.database import Base

if TYPE_CHECKING:  # whoever has no connections needs none of it
    from gateway.signers.tokens.connection_store import ConnectionKey

CONNECTED = "connected"
NOT_CONNECTED = "not_connected"
RECONNECT = "reconnect"


class AccountConnection(Base):
    """One account, and its refresh token, sealed.

    :ivar fingerprint: see ``gateway.signers.tokens.connection_store.ConnectionKey``; ``epoch``,
        ``version`` and ``claim`` are of its ``Claim``.
    :ivar access_token: sealed; the newest, until the vendor refuses it.
    :ivar rotates: whether the vendor gave another refresh token once; None where it has not
        answered a refresh yet.
    """

    __tablename__ = "connections"
    __table_args__ = (sa.UniqueConstraint("service", "fingerprint"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    service: Mapped[str] = mapped_column(sa.String(255))
    fingerprint: Mapped[str] = mapped_column(sa.String(64))
    state: Mapped[str] = mapped_column(sa.String(16))
    epoch: Mapped[str] = mapped_column(sa.String(32))
    refresh_token: Mapped[str | None] = mapped_column(sa.Text)
    access_token: Mapped[str | None] = mapped_column(sa.Text)
    access_expires_at: Mapped[datetime | None]
    rotates: Mapped[bool | None]
    version: Mapped[int] = mapped_column(default=1)
    claim: Mapped[str | None] = mapped_column(sa.String(32))
    claimed_until: Mapped[datetime | None]
    scope: Mapped[str | None] = mapped_column(sa.Text)
    connected_by: Mapped[str | None] = mapped_column(sa.String(255))
    connected_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    last_refreshed_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(sa.Text)

    @classmethod
    def by_key(cls, session: Session, key: ConnectionKey, *, lock: bool = False) -> Self | None:
        query = sa.select(cls).where(cls.service == key.service, cls.fingerprint == key.fingerprint)
        if lock:
            query = query.with_for_update()
        return session.scalar(query)

    def state_at(self, now: datetime) -> str:
        """Return its state; a claim that nobody gave up in time has lost the refresh token."""
        is_stale = self.claimed_until is not None and self.claimed_until <= now
        if self.state == CONNECTED and self.claim and is_stale and self.rotates is not False:
            return RECONNECT
        return self.state

    def lose(self, reason: str) -> None:
        """Note that it must be connected again; its claim stays, for an answer that comes late."""
        self.state = RECONNECT
        self.last_error = reason

    def clear(self, state: str) -> None:
        """Forget its tokens; whoever holds a claim stores nothing any more."""
        self.state = state
        self.refresh_token = None
        self.access_token = None
        self.access_expires_at = None
        self.expires_at = None
        self.claim = None
        self.rotates = None


class ConnectionRequest(Base):
    """An admin's way to a vendor's page and back, good for one return.

    :ivar state_hash: the SHA-256 of OAuth's ``state``.
    :ivar caller: ``user:7``, as callers are named, or ``cli:`` and a name.
    :ivar verifier: of PKCE, sealed.
    :ivar outcome: ``connected``, or why not; None until the return has ended.
    """

    __tablename__ = "connection_requests"

    state_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    service: Mapped[str] = mapped_column(sa.String(255))
    fingerprint: Mapped[str] = mapped_column(sa.String(64))
    caller: Mapped[str] = mapped_column(sa.String(255))
    connected_by: Mapped[str] = mapped_column(sa.String(255))
    verifier: Mapped[str] = mapped_column(sa.Text)
    redirect_uri: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(sa.Text)

    @classmethod
    def use(cls, session: Session, state_hash: str, now: datetime) -> Self | None:
        """Mark the request used and return it; None if it was used before, or has expired."""
        valid = (cls.state_hash == state_hash, cls.used_at.is_(None), cls.expires_at > now)
        result = session.execute(sa.update(cls).where(*valid).values(used_at=now))
        assert isinstance(result, sa.CursorResult)
        return session.get(cls, state_hash) if result.rowcount == 1 else None

    @classmethod
    def delete_expired(cls, session: Session, now: datetime) -> None:
        session.execute(sa.delete(cls).where(cls.expires_at < now))
