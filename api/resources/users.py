"""Users: everybody has their own record, admins have them all."""

from __future__ import annotations

from typing import Any

from flask import Response, g, request
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from api.auth import role_required, token_required
from api.auth.passwords import hash_password, verify_password
from api.auth.wiring import auth_services
from api.context import app_state
from api.errors import ALREADY_EXISTS, BadCredentials
from api.http.blueprint import Blueprint
from api.http.cache import write_session
from api.http.etags import check_match, etag_of, etag_response
from api.http.idempotency import idempotent_by_database
from api.http.lists import csv_response, list_page, search, wants_csv
from gateway.errors import Conflict, Forbidden, NotFound, fields_error
from models import RefreshToken, User
from schemas.users import UserArgs, UserChange, UserIn, UserListOut, UserOut

blueprint = Blueprint("users", __name__, description="People, who log in with a password.")
_one, _list = UserOut(), UserListOut()
_EXAMPLE = {
    "username": "ann",
    "password": "correct-horse-battery",
    "name": "Ann",
    "age": 30,
    "role": "user",
}
_ADMINS_ONLY = {"role", "username"}


@blueprint.get("/users")
@role_required("admin")
@blueprint.arguments(UserArgs, location="query")
@blueprint.response(200, UserListOut)
def list_users(args: dict[str, Any]) -> Response:
    """Users, filtered and sorted."""
    query = _filtered(args)
    if wants_csv():
        return csv_response(query, User, _one, args)
    with app_state().database.read_session() as session:
        return etag_response(_list.dump(list_page(session, query, User, args)))


@blueprint.post("/users")
@role_required("admin")
@blueprint.arguments(UserIn, example=_EXAMPLE)
@blueprint.response(201, UserOut)
@idempotent_by_database()
def create_user(given: dict[str, Any]) -> Response:
    """A new user."""
    columns = _columns(given)
    with write_session() as session:
        _keep_name_unique(session, columns["username"])
        user = User(**columns)
        session.add(user)
        session.flush()
        return _answer(user, 201)


@blueprint.get("/users/<id:user_id>")
@token_required
@blueprint.response(200, UserOut)
def get_user(user_id: int) -> Response:
    """One user: oneself or, for an admin, anybody."""
    _self_or_admin(user_id)
    with app_state().database.read_session() as session:
        return _answer(_found(session, user_id))


@blueprint.get("/user/profile")
@token_required
@blueprint.response(200, UserOut)
def get_profile() -> Response:
    """The user who asks."""
    if g.token is None:
        raise Forbidden("A signed request is an app's, which has no profile.")
    with app_state().database.read_session() as session:
        return _answer(_found(session, int(g.token.subject)))


@blueprint.patch("/users/<id:user_id>")
@token_required
@blueprint.arguments(UserChange(partial=True), example={"name": "Ann Example"})
@blueprint.response(200, UserOut)
def change_user(given: dict[str, Any], user_id: int) -> Response:
    """Some of a user. A new role or password ends all of the user's logins."""
    _self_or_admin(user_id)
    if g.caller.role != "admin" and given.keys() & _ADMINS_ONLY:
        raise Forbidden("Only an admin may change a role or a username.")
    current = given.pop("current_password", None)
    proved = _proved(user_id, current) if "password" in given and _is_self(user_id) else None
    columns = _columns(given)
    with app_state().database.write_session() as session:
        admins = User.lock_admins(session) if "role" in columns else []
        user = _found(session, user_id, lock=True)
        check_match(user)
        if proved not in (None, user.password_hash):  # it was changed while we looked
            raise BadCredentials("That is not the current password.")
        if columns.get("username", user.username) != user.username:
            _keep_name_unique(session, columns["username"], user)
        if columns.get("role", "admin") != "admin":
            _keep_an_admin(user, admins)
        ended = _change(session, user, columns)
        changed = _answer(user)
    auth_services().revocations.add(ended)
    return changed


@blueprint.delete("/users/<id:user_id>")
@token_required
@blueprint.response(200)
def delete_user(user_id: int) -> None:
    """A user without orders; all of their logins end."""
    _self_or_admin(user_id)
    with write_session("orders") as session:  # there are no more of them, not even none
        admins = User.lock_admins(session)
        user = _found(session, user_id, lock=True)
        check_match(user)
        _keep_an_admin(user, admins)
        ended = RefreshToken.revoke_user(session, user_id, auth_services().now())
        session.delete(user)
        session.flush()
    auth_services().revocations.add(ended)


def _filtered(args: dict[str, Any]) -> Select[Any]:
    query = select(User)
    if "q" in args:
        query = query.where(search(args["q"], User.username, User.name, User.email))
    if "role" in args:
        query = query.where(User.role == args["role"])
    return query


def _is_self(user_id: int) -> bool:
    return bool(g.caller.id == f"user:{user_id}")


def _self_or_admin(user_id: int) -> None:
    """:raises NotFound: it is somebody else's, or nobody's: which of the two is not told."""
    if g.caller.role != "admin" and not _is_self(user_id):
        raise _missing(user_id)


def _missing(user_id: int) -> NotFound:
    return NotFound(f"There is no user {user_id}.")


def _found(session: Session, user_id: int, *, lock: bool = False) -> User:
    user = session.get(User, user_id, populate_existing=True, with_for_update=lock or None)
    if user is None:
        raise _missing(user_id)
    return user


def _proved(user_id: int, password: str | None) -> str:
    """The hash of the user's password, which the caller knows; a guess counts as a failed login.

    :raises InvalidParams: none is given.
    :raises BadCredentials: it is another.
    :raises RateLimited: there were too many guesses.
    """
    if password is None:
        raise fields_error("current_password", ["Needed with a new password."])
    with app_state().database.read_session() as session:
        user = _found(session, user_id)
    with auth_services().lockout.attempt(user.username, request.remote_addr or ""):
        if not verify_password(user.password_hash, password):
            raise BadCredentials("That is not the current password.")
    return user.password_hash


def _columns(given: dict[str, Any]) -> dict[str, Any]:
    """What is given as the table has it. It hashes, so no transaction may be open."""
    columns = {name: value for name, value in given.items() if name != "password"}
    if "password" in given:
        columns["password_hash"] = hash_password(given["password"])
    return columns


def _keep_name_unique(session: Session, username: str, user: User | None = None) -> None:
    """:raises Conflict: another has this name as an older version stored it; the rest is the database's."""
    other = User.by_username(session, username)
    if other and other is not user:
        raise Conflict(fields={"username": [ALREADY_EXISTS]})


def _keep_an_admin(user: User, admins: list[int]) -> None:
    """:raises Conflict: without this user there would be none."""
    if admins == [user.id]:
        raise Conflict("This is the last admin; make another one first.")


def _change(session: Session, user: User, columns: dict[str, Any]) -> list[Any]:
    """Change it, and end the logins that it no longer stands for."""
    before = user.role, user.password_hash
    for name, value in columns.items():
        setattr(user, name, value)
    session.flush()
    if (user.role, user.password_hash) == before:
        return []
    return list(RefreshToken.revoke_user(session, user.id, auth_services().now()))


def _answer(user: User, status: int = 200) -> Response:
    return etag_response(_one.dump(user), etag_of(user), status)
