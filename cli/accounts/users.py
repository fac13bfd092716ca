"""``flask user``: people, who log in with a password.

A command changes the database; servers that share a Redis with it know at once that a login ended,
one that has none within a second.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import click
import marshmallow
import sqlalchemy as sa
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from api.auth import accounts
from api.auth.passwords import hash_password
from cli.accounts import (
    load_auth,
    no_such,
    print_rows,
    read_session,
    record_act,
    validate_with,
    write_session,
)
from cli.output import AS_JSON
from gateway.errors import Conflict
from models import RefreshToken, RevokedToken, User
from schemas.fields import ROLES
from schemas.names import Username
from schemas.users import PASSWORD

RANDOM_PASSWORD_BYTES = 12
HAS_ORDERS = "there are orders of this user; try: flask user disable"
user_cli = AppGroup("user", help="People, who log in with a password.")


def normalize_username(context: click.Context, param: click.Parameter, value: str) -> str:
    """Return the name as it is stored; a click callback."""
    try:
        return str(Username().deserialize(value))
    except marshmallow.ValidationError as error:
        raise click.BadParameter(" ".join(map(str, error.messages))) from error


NAME = click.argument("name", callback=normalize_username)
check_password = validate_with(PASSWORD)


@user_cli.command("create")
@NAME
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="user",
    show_default=True,
    help="What the user may do.",
)
@click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    callback=check_password,
    help="8 to 1024 characters; asked for unless given.",
)
def create_user(name: str, role: str, password: str) -> None:
    """Make a user; asks for the password unless it is given."""
    add_user(name, role, password)
    click.echo(f"made user {name}, role {role}")


@user_cli.command("reset-password")
@NAME
@click.option(
    "--password", callback=check_password, help="8 to 1024 characters; asked for unless given."
)
@click.option("--random", "is_random", is_flag=True, help="Make one up and print it, once.")
def reset_password(name: str, password: str | None, is_random: bool) -> None:
    """Give a user a new password; all of the user's logins end."""
    if is_random and password is not None:
        raise click.UsageError("say --password or --random, not both")
    if is_random:
        password = secrets.token_urlsafe(RANDOM_PASSWORD_BYTES)
    elif password is None:
        with read_session() as session:
            _find_user(session, name)  # before anybody thinks of a password
        password = click.prompt(
            "Password",
            hide_input=True,
            confirmation_prompt=True,
            value_proc=partial(check_password, None, None),
        )
    _change(name, {"password_hash": hash_password(password)})
    click.echo(f"changed the password of {name}; all of their logins end")
    if is_random:
        click.echo(f"password: {password}")
        click.echo("It is shown this once.")


@user_cli.command("set-role")
@NAME
@click.argument("role", type=click.Choice(ROLES))
def set_role(name: str, role: str) -> None:
    """Change what a user may do; all of the user's logins end, for their tokens name the role."""
    if _change(name, {"role": role}):
        click.echo(f"gave {name} the role {role}; all of their logins end")
    else:
        click.echo(f"{name} has the role {role} already")


@user_cli.command("disable")
@NAME
def disable_user(name: str) -> None:
    """Let a user log in no more; all of the user's logins end."""
    if _change(name, {"disabled": True}):
        click.echo(f"disabled {name}; all of their logins end")
    else:
        click.echo(f"{name} is disabled already")


@user_cli.command("enable")
@NAME
def enable_user(name: str) -> None:
    """Let a user log in again."""
    _change(name, {"disabled": False})
    click.echo(f"enabled {name}")


@user_cli.command("revoke-tokens")
@NAME
def revoke_tokens(name: str) -> None:
    """End all logins of a user, who may log in again."""
    now = load_auth().now()
    with _edit_user(name) as (session, user, _):
        record_act(session, accounts.user_act("user.revoke_tokens", user))
        revoked = RefreshToken.revoke_user(session, user.id, now)
    _tell_servers(revoked)
    click.echo(f"all logins of {name} end")


@user_cli.command("delete")
@NAME
@click.confirmation_option(prompt="Delete this user for good?")
def delete_user(name: str) -> None:
    """Delete a user without orders; all of the user's logins end."""
    now = load_auth().now()
    with _edit_user(name) as (session, user, admins):
        record_act(session, accounts.user_act("user.delete", user))
        revoked = accounts.delete_user(session, user, admins, now)
    _tell_servers(revoked)
    click.echo(f"deleted user {name}")


@user_cli.command("list")
@AS_JSON
def list_users(as_json: bool) -> None:
    """Everybody who may log in."""
    columns = ("id", "username", "role", "disabled", "name", "email")
    print_rows(sa.select(User).order_by(User.id), columns, as_json)


def add_user(name: str, role: str, password: str) -> None:
    """Store a user.

    :raises click.ClickException: the name is taken, or the database cannot be used.
    """
    columns = {"username": name, "role": role, "password_hash": hash_password(password)}
    duplicate = f"there is a user {name} already"
    with write_session(duplicate) as session:
        if User.by_username(session, name):
            raise click.ClickException(duplicate)
        user = User(**columns)
        session.add(user)
        session.flush()
        record_act(session, accounts.user_act("user.create", user, columns))


def _change(name: str, columns: dict[str, Any]) -> bool:
    """Change a user, and return whether that was a change.

    :raises click.ClickException: there is none, no admin would be left, or the database fails.
    """
    now = load_auth().now()
    with _edit_user(name) as (session, user, admins):
        changed = accounts.differences(user, columns)
        revoked = accounts.change_user(session, user, changed, admins, now)
        if changed:
            record_act(session, accounts.user_act(accounts.action_of(changed), user, changed))
    _tell_servers(revoked)
    return bool(changed)


@contextmanager
def _edit_user(name: str) -> Iterator[tuple[Session, User, list[int]]]:
    """Give a user, and the ids of all admins who can log in, locked in a transaction."""
    with write_session(HAS_ORDERS) as session:
        admins = User.lock_admins(session)
        match = _find_user(session, name)
        user = session.get(User, match.id, populate_existing=True)  # locked, and as it is now
        if user is None:
            raise no_such("user", name, ())
        try:
            yield session, user, admins
        except Conflict as error:
            raise click.ClickException(error.message) from error


def _find_user(session: Session, name: str) -> User:
    """:raises click.ClickException: there is none; says which may be meant."""
    user = User.by_username(session, name)
    if user is None:
        raise no_such("user", name, session.scalars(sa.select(User.username)))
    return user


def _tell_servers(revoked: Sequence[RevokedToken]) -> None:
    """Let servers know of the revoked tokens at once, by the store that they share, if any."""
    if not load_auth().revocations.add(revoked):
        click.echo(
            "warning: Redis does not answer; servers may take the user's tokens for a minute"
            " after it is back",
            err=True,
        )
