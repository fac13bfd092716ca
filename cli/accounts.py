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


def checked(check: Callable[[Any], Any]) -> Callable[..., Any]:
    """A click callback from one of marshmallow's validators; an option that was not given is not checked."""

    def callback(context: click.Context, param: click.Parameter, value: Any) -> Any:
        try:
            for each in value if isinstance(value, tuple) else [value] * (value is not None):
                check(each)
        except marshmallow.ValidationError as error:
            raise click.BadParameter(" ".join(map(str, error.messages))) from error
        return value

    return callback


def username(context: click.Context, param: click.Parameter, value: str) -> str:
    """A click callback: the name as it is stored."""
    try:
        return str(Username().deserialize(value))
    except marshmallow.ValidationError as error:
        raise click.BadParameter(" ".join(map(str, error.messages))) from error


@user_cli.command("create")
@click.argument("name", callback=username)
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
    callback=checked(PASSWORD),
    help="8 to 1024 characters; asked for unless given.",
)
def create_user(name: str, role: str, password: str) -> None:
    """Make a user; asks for the password unless it is given."""
    add_user(name, role, password)
    click.echo(f"made user {name}, role {role}")


@app_cli.command("create")
@click.argument("app_id", callback=checked(APP_ID))
@click.option(
    "--allow", multiple=True, required=True, callback=checked(ALLOWED), help="maps, 'wechat.*', ..."
)
@click.option(
    "--rate", callback=checked(RATE), help="such as 100/minute; DEFAULT_RATE_LIMIT unless given"
)
def create_app(app_id: str, allow: tuple[str, ...], rate: str | None) -> None:
    """Make an app and print its secret, once."""
    app_secrets = auth_services().app_secrets
    secret = app_secrets.make()
    with told(f"there is an app {app_id} already"), app_state().database.session() as session:
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
    with told(""), app_state().database.reading() as session:
        found = [
            {column: getattr(each, column) for column in columns} for each in session.scalars(query)
        ]
    if as_json:
        print_json(found)
        return
    rows = [[_word(value) for value in each.values()] for each in found]
    click.echo("\n".join(table([column.upper() for column in columns], rows)))


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def add_user(name: str, role: str, password: str) -> None:
    password_hash = hash_password(password)
    with told(f"there is a user {name} already"), app_state().database.session() as session:
        if User.named(session, name):
            raise click.ClickException(f"there is a user {name} already")
        session.add(User(username=name, role=role, password_hash=password_hash))


@contextmanager
def told(duplicate: str) -> Iterator[None]:
    """What the database refuses, in words and not as a traceback."""
    try:
        yield
    except IntegrityError as error:
        raise click.ClickException(duplicate) from error
    except (OperationalError, ProgrammingError) as error:
        why = str(error.orig).partition("\n")[0]
        no_table = isinstance(error, ProgrammingError) or why.startswith("no such")
        hint = "; try: flask db upgrade" if no_table else ""
        raise click.ClickException(f"the database cannot be used ({why}){hint}") from error
