"""``flask user create|list`` and ``flask app create|list``: who may call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import marshmallow
from flask.cli import AppGroup
from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from api.auth.passwords import hash_password
from api.auth.wiring import auth_services
from api.context import app_state
from cli.output import AS_JSON, print_json, table
from models import App, User
from schemas.fields import ROLES
from schemas.names import Username
from schemas.users import ALLOWED, APP_ID, PASSWORD, RATE

user_cli = AppGroup("user", help="People, who log in with a password.")
app_cli = AppGroup("app", help="Tools, which sign their requests.")


def validate_with(validator: Callable[[Any], Any]) -> Callable[..., Any]:
    """Make a click callback of one of marshmallow's validators; an option that was not given is not
    checked.
    """

    def callback(context: click.Context, param: click.Parameter, value: Any) -> Any:
        if value is None:
            return None
        values = value if isinstance(value, tuple) else (value,)
        try:
            for item in values:
                validator(item)
        except marshmallow.ValidationError as error:
            raise click.BadParameter(" ".join(map(str, error.messages))) from error
        return value

    return callback


def normalize_username(context: click.Context, param: click.Parameter, value: str) -> str:
    """Return the name as it is stored; a click callback."""
    try:
        return str(Username().deserialize(value))
    except marshmallow.ValidationError as error:
        raise click.BadParameter(" ".join(map(str, error.messages))) from error


@user_cli.command("create")
@click.argument("name", callback=normalize_username)
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
    callback=validate_with(PASSWORD),
    help="8 to 1024 characters; asked for unless given.",
)
def create_user(name: str, role: str, password: str) -> None:
    """Make a user; asks for the password unless it is given."""
    add_user(name, role, password)
    click.echo(f"made user {name}, role {role}")


@app_cli.command("create")
@click.argument("app_id", callback=validate_with(APP_ID))
@click.option(
    "--allow",
    multiple=True,
    required=True,
    callback=validate_with(ALLOWED),
    help="maps, 'wechat.*', ...",
)
@click.option(
    "--rate",
    callback=validate_with(RATE),
    help="such as 100/minute; DEFAULT_RATE_LIMIT unless given",
)
def create_app(app_id: str, allow: tuple[str, ...], rate: str | None) -> None:
    """Make an app and print its secret, once."""
    app_secrets = auth_services().app_secrets
    secret = app_secrets.make()
    duplicate = f"there is an app {app_id} already"
    with report_database_errors(duplicate), app_state().database.write_session() as session:
        session.add(
            App(app_id=app_id, secret=app_secrets.seal(secret), allow=list(allow), rate=rate)
        )
    click.echo(f"made app {app_id}, which may call {', '.join(allow)}")
    click.echo(f"secret: {secret.reveal()}")
    click.echo("It is shown this once; keep it where the tool finds it.")


@user_cli.command("list")
@AS_JSON
def list_users(as_json: bool) -> None:
    """Everybody who may log in."""
    columns = ("id", "username", "role", "name", "email")
    _list(select(User).order_by(User.id), columns, as_json)


@app_cli.command("list")
@AS_JSON
def list_apps(as_json: bool) -> None:
    """Every tool that may sign; RATE is - where DEFAULT_RATE_LIMIT counts."""
    _list(select(App).order_by(App.app_id), ("app_id", "allow", "rate", "disabled"), as_json)


def _list(query: Select[Any], columns: tuple[str, ...], as_json: bool) -> None:
    with report_database_errors(""), app_state().database.read_session() as session:
        accounts = [
            {column: getattr(account, column) for column in columns}
            for account in session.scalars(query)
        ]
    if as_json:
        print_json(accounts)
        return
    rows = [[_format(value) for value in account.values()] for account in accounts]
    click.echo("\n".join(table([column.upper() for column in columns], rows)))


def _format(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    return str(value)


def add_user(name: str, role: str, password: str) -> None:
    """Store a user.

    :raises click.ClickException: the name is taken, or the database cannot be used.
    """
    password_hash = hash_password(password)
    duplicate = f"there is a user {name} already"
    with report_database_errors(duplicate), app_state().database.write_session() as session:
        if User.by_username(session, name):
            raise click.ClickException(duplicate)
        session.add(User(username=name, role=role, password_hash=password_hash))


@contextmanager
def report_database_errors(duplicate: str) -> Iterator[None]:
    """Turn what the database refuses into click's exceptions, with words and no traceback.

    :param duplicate: what to say when a unique value is there already.
    """
    try:
        yield
    except IntegrityError as error:
        raise click.ClickException(duplicate) from error
    except (OperationalError, ProgrammingError) as error:
        reason = str(error.orig).partition("\n")[0]
        message = f"the database cannot be used ({reason})"
        if isinstance(error, ProgrammingError) or reason.startswith("no such"):
            message += "; try: flask db upgrade"
        raise click.ClickException(message) from error
