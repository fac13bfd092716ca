"""What becomes of a user's logins as the user is changed.

with database.write_session() as session:
    admins = User.lock_admins(session)  # their locks come before the user's
    revoked = change_user(session, user, {"role": "guest"}, admins, now)
auth_services().revocations.add(revoked)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from gateway.errors import Conflict
from models import Act, RefreshToken, RevokedToken, User

#: A change of one of these may leave nobody who can log in as an admin.
ADMIN_COLUMNS = frozenset({"role", "disabled"})


def change_user(
    session: Session,
    user: User,
    columns: Mapping[str, Any],
    admins: Collection[int],
    now: datetime,
) -> list[RevokedToken]:
    """Change the user and return the access tokens that this revokes.

    A role stands in the token, so a new one ends all logins, as a new password and disabling do.

    :param admins: from ``User.lock_admins``, where one of ``ADMIN_COLUMNS`` changes.
    :raises Conflict: there would be no admin left.
    """
    if columns.get("role", "admin") != "admin" or columns.get("disabled"):
        check_not_last_admin(user, admins)
    before = (user.role, user.password_hash, user.disabled)
    for name, value in columns.items():
        setattr(user, name, value)
    session.flush()
    if (user.role, user.password_hash, user.disabled) == before:
        return []
    return RefreshToken.revoke_user(session, user.id, now)


def delete_user(
    session: Session, user: User, admins: Collection[int], now: datetime
) -> list[RevokedToken]:
    """Delete the user and return the access tokens that this revokes.

    :raises Conflict: there would be no admin left.
    :raises IntegrityError: the user has orders.
    """
    check_not_last_admin(user, admins)
    revoked = RefreshToken.revoke_user(session, user.id, now)
    session.delete(user)
    session.flush()
    return revoked


def check_not_last_admin(user: User, admins: Collection[int]) -> None:
    """:raises Conflict: no other admin can log in."""
    if list(admins) == [user.id]:
        raise Conflict("This is the last admin who can log in; make another one first.")


def differences(user: User, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the columns whose value is not the user's already."""
    return {name: value for name, value in columns.items() if getattr(user, name) != value}


def action_of(columns: Mapping[str, Any]) -> str:
    """Return what the audit log calls a change: by the weightiest of what is changed."""
    if "disabled" in columns:
        return "user.disable" if columns["disabled"] else "user.enable"
    if "role" in columns:
        return "user.set_role"
    if "password_hash" in columns:
        return "user.password"
    return "user.change"


def user_act(action: str, user: User, columns: Mapping[str, Any] | None = None) -> Act:
    """Return what the audit log tells of a change, by the names that callers know."""
    changed = {
        "password" if name == "password_hash" else name: value
        for name, value in (columns or {}).items()
    }
    return Act(action, f"user:{user.id}", user.username, changed)
