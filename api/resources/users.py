"""Users: everybody reads and changes their own record, admins all of them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Response, g, request
from sqlalchemy.orm import Session

from api.audit import record_act
from api.auth import accounts, role_required, token_required
from api.auth.passwords import hash_password, verify_password
from api.auth.wiring import auth_services
from api.context import app_state
from api.errors import ALREADY_EXISTS, BadCredentials
from api.http.blueprint import Blueprint
from api.http.cache import write_session
from api.http.etags import check_match, etag_of, etag_response
from api.http.idempotency import idempotent_by_database
from api.http.lists import RowList, list_response, search, select_fields
from api.http.responses import success_response
from gateway.errors import Conflict, Forbidden, NotFound, fields_error
from models import RefreshToken, User
from schemas.dump import entity_dumper, row_dumper
from schemas.users import PasswordIn, UserArgs, UserChange, UserIn, UserListOut, UserOut

blueprint = Blueprint("users", __name__, description="People, who log in with a password.")
_user_schema = UserOut()
_dump_user = entity_dumper(_user_schema)
_table = User.__table__
_select_rows = select_fields(User, _user_schema)
_select_user = _select_rows.add_columns(_table.c.version).where(_table.c.id == sa.bindparam("id"))
_users = RowList(
    User,
    _select_rows,
    row_dumper(_user_schema),
    {
        "q": lambda text: search(text, _table.c.username, _table.c.name, _table.c.email),
        "role": lambda role: _table.c.role == role,
    },
)
_EXAMPLE = {
    "username": "ann",
    "password": "correct-horse-battery",
    "name": "Ann",
    "age": 30,
    "role": "user",
}
_ADMINS_ONLY = {"role", "username", "disabled"}
_NOT_CURRENT = "That is not the current password."


@blueprint.get("/users")
@role_required("admin")
@blueprint.arguments(UserArgs, location="query")
@blueprint.response(200, UserListOut)
def list_users(args: dict[str, Any]) -> Response:
    """Users, filtered and sorted."""
    return list_response(_users, _user_schema, args)


@blueprint.post("/users")
@role_required("admin")
@blueprint.arguments(UserIn, example=_EXAMPLE)
@blueprint.response(201, UserOut)
@idempotent_by_database()
def create_user(data: dict[str, Any]) -> Response:
    """A new user."""
    columns = _columns(data)
    with write_session() as session:
        _check_name_is_free(session, columns["username"])
        user = User(**columns)
        session.add(user)
        session.flush()
        record_act(session, accounts.user_act("user.create", user, columns))
        return _user_response(user, 201)


@blueprint.get("/users/<id:user_id>")
@token_required
@blueprint.response(200, UserOut)
def get_user(user_id: int) -> Response:
    """One user: oneself or, for an admin, anybody."""
    _check_self_or_admin(user_id)
    return _read_user(user_id)


@blueprint.get("/user/profile")
@token_required
@blueprint.response(200, UserOut)
def get_profile() -> Response:
    """The user who asks."""
    return _read_user(_own_id())


@blueprint.post("/user/password")
@token_required
@blueprint.arguments(
    PasswordIn,
    example={"current_password": "correct-horse-battery", "new_password": "staple-correct-horse"},
)
@blueprint.response(200)
@idempotent_by_database()
def change_password(data: dict[str, str]) -> Response:
    """A new password for oneself. This login stays, all others of the user end."""
    user_id = _own_id()
    proved_hash = _prove_password(user_id, data["current_password"])
    password_hash = hash_password(data["new_password"])
    with write_session() as session:
        user = _get_user(session, user_id)
        _check_unchanged(user, proved_hash)
        user.password_hash = password_hash
        family = RefreshToken.family_of(session, g.token.jti)
        revoked = RefreshToken.revoke_user(session, user_id, auth_services().now(), but=family)
        record_act(session, accounts.user_act("user.password", user, {"password_hash": None}))
        response = success_response(None)
    auth_services().revocations.add(revoked)
    return response


@blueprint.patch("/users/<id:user_id>")
@token_required
@blueprint.arguments(UserChange(partial=True), example={"name": "Ann Example"})
@blueprint.response(200, UserOut)
def change_user(data: dict[str, Any], user_id: int) -> Response:
    """Some of a user. A new role or password, or being disabled, ends all of the user's logins."""
    _check_self_or_admin(user_id)
    if g.caller.role != "admin" and data.keys() & _ADMINS_ONLY:
        raise Forbidden("Only an admin may change a role or a username, or disable; ask one.")
    password = data.pop("current_password", None)
    proved_hash = None
    if "password" in data and _is_self(user_id):
        proved_hash = _prove_password(user_id, password)
    columns = _columns(data)
    with app_state().database.write_session() as session:
        admins = User.lock_admins(session) if columns.keys() & accounts.ADMIN_COLUMNS else []
        user = _get_user(session, user_id)
        check_match(user)
        if proved_hash is not None:
            _check_unchanged(user, proved_hash)
        if columns.get("username", user.username) != user.username:
            _check_name_is_free(session, columns["username"], user)
        changed = accounts.differences(user, columns)
        revoked = accounts.change_user(session, user, changed, admins, auth_services().now())
        if changed and (g.caller.role == "admin" or "password" in data):
            record_act(session, accounts.user_act(accounts.action_of(changed), user, changed))
        response = _user_response(user)
    auth_services().revocations.add(revoked)
    return response


@blueprint.delete("/users/<id:user_id>")
@token_required
@blueprint.response(200)
def delete_user(user_id: int) -> None:
    """A user without orders; all of their logins end."""
    _check_self_or_admin(user_id)
    with write_session("orders") as session:  # a cached list of the orders goes, too
        admins = User.lock_admins(session)
        user = _get_user(session, user_id)
        check_match(user)
        record_act(session, accounts.user_act("user.delete", user))
        revoked = accounts.delete_user(session, user, admins, auth_services().now())
    auth_services().revocations.add(revoked)


@blueprint.post("/users/<id:user_id>/revoke_tokens")
@token_required
@blueprint.response(200)
@idempotent_by_database()
def revoke_tokens(user_id: int) -> Response:
    """End all logins of a user: no token that was given until now is taken any more."""
    _check_self_or_admin(user_id)
    with write_session() as session:
        user = _get_user(session, user_id)
        revoked = RefreshToken.revoke_user(session, user_id, auth_services().now())
        record_act(session, accounts.user_act("user.revoke_tokens", user))
        response = success_response(None)
    auth_services().revocations.add(revoked)
    return response


def _own_id() -> int:
    """:raises Forbidden: an app asks."""
    if g.token is None:
        raise Forbidden("A signed request is an app's, which has no profile; send a user's token.")
    return int(g.token.subject)


def _is_self(user_id: int) -> bool:
    return bool(g.caller.id == f"user:{user_id}")


def is_self_or_admin(user_id: int) -> bool:
    return g.caller.role == "admin" or _is_self(user_id)


def _check_self_or_admin(user_id: int) -> None:
    """:raises NotFound: another user's record, or none: the answer does not tell which."""
    if not is_self_or_admin(user_id):
        raise missing_user(user_id)


def missing_user(user_id: int) -> NotFound:
    return NotFound(
        f"There is no user {user_id}, or it is not you: GET /api/v1/user/profile tells your id."
    )


def _read_user(user_id: int) -> Response:
    with app_state().database.read_connection() as connection:
        user = connection.execute(_select_user, {"id": user_id}).first()
    if user is None:
        raise missing_user(user_id)
    return etag_response(_dump_user(user), etag_of(user))


def _get_user(session: Session, user_id: int) -> User:
    user = session.get(User, user_id, populate_existing=True)
    if user is None:
        raise missing_user(user_id)
    return user


def _prove_password(user_id: int, password: str | None) -> str:
    """Check the current password and return its hash; a wrong one counts as a failed login.

    :raises InvalidParams: there is none.
    :raises BadCredentials: it is wrong.
    :raises RateLimited: there were too many wrong ones.
    """
    if password is None:
        raise fields_error("current_password", ["Needed with a new password."])
    with app_state().database.read_session() as session:
        user = _get_user(session, user_id)
    with auth_services().lockout.attempt(user.username, request.remote_addr or ""):
        if not verify_password(user.password_hash, password):
            raise BadCredentials(_NOT_CURRENT)
    return user.password_hash


def _columns(data: dict[str, Any]) -> dict[str, Any]:
    """Return the table's columns for ``data``. It hashes a password: no transaction may be open."""
    columns = {name: value for name, value in data.items() if name != "password"}
    if "password" in data:
        columns["password_hash"] = hash_password(data["password"])
    return columns


def _check_name_is_free(session: Session, username: str, user: User | None = None) -> None:
    """Check names as an older version stored them; the database checks the others.

    :raises Conflict: another user has the name.
    """
    other = User.by_username(session, username)
    if other and other is not user:
        raise Conflict(fields={"username": [ALREADY_EXISTS]})


def _check_unchanged(user: User, proved_hash: str) -> None:
    """:raises BadCredentials: the password was changed since somebody proved to know it."""
    if user.password_hash != proved_hash:
        raise BadCredentials(_NOT_CURRENT)


def _user_response(user: User, status: int = 200) -> Response:
    return etag_response(_dump_user(user), etag_of(user), status)
