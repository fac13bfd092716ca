"""``flask user`` and ``flask app``: who may call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import marshmallow
from flask.cli import AppGroup
from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from api.auth.passwords import hash_password
from api.auth.wiring import AuthServices, auth_services
from api.context import app_state
from cli.output import AS_JSON, print_json, table
from gateway.catalog.model import unknown_patterns
from gateway.errors import nearest
from models import App, User
from schemas.fields import ROLES
from schemas.names import Username
from schemas.users import ALLOWED, APP_ID, PASSWORD, RATE

user_cli = AppGroup("user", help="People, who log in with a password.")
app_cli = AppGroup("app", help="Tools, which sign their requests.")


def loaded_auth() -> AuthServices:
    """Return the services that make and check proofs of who is calling."""
    app_state().open_parts()
    return auth_services()


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
    app_secrets = loaded_auth().app_secrets
    secret = app_secrets.make()
    duplicate = f"there is an app {app_id} already"
    with report_database_errors(duplicate), app_state().database.write_session() as session:
        session.add(
            App(app_id=app_id, secret=app_secrets.seal(secret), allow=list(allow), rate=rate)
        )
    click.echo(f"made app {app_id}, which may call {', '.join(allow)}")
    click.echo(f"secret: {secret.reveal()}")
    click.echo("It is shown this once; keep it where the tool finds it.")
    _warn_of_unknown(allow)


@app_cli.command("set")
@click.argument("app_id")
@click.option("--allow", multiple=True, callback=validate_with(ALLOWED), help="in place of before")
@click.option("--rate", callback=validate_with(RATE), help="such as 100/minute")
def set_app(app_id: str, allow: tuple[str, ...], rate: str | None) -> None:
    """Change what an app may call, or how often."""
    if not allow and rate is None:
        raise click.UsageError("say --allow or --rate")
    with _changed_app(app_id) as (_, app):
        if allow:
            app.allow = list(allow)
        if rate is not None:
            app.rate = rate
    click.echo(f"changed app {app_id}")
    _warn_of_unknown(allow)


@app_cli.command("disable")
@click.argument("app_id")
def disable_app(app_id: str) -> None:
    """Refuse whatever an app signs from now on."""
    with _changed_app(app_id) as (_, app):
        app.disabled = True
    click.echo(f"disabled app {app_id}")


@app_cli.command("enable")
@click.argument("app_id")
def enable_app(app_id: str) -> None:
    """Take what an app signs again."""
    with _changed_app(app_id) as (_, app):
        app.disabled = False
    click.echo(f"enabled app {app_id}")


@app_cli.command("rotate")
@click.argument("app_id")
def rotate_app(app_id: str) -> None:
    """Make a new secret and print it, once; the previous one is good until the next time."""
    app_secrets = loaded_auth().app_secrets
    secret = app_secrets.make()
    with _changed_app(app_id) as (_, app):
        if app.disabled:
            raise click.ClickException(f"app {app_id} is disabled; enable it first")
        app.previous_secret = app.secret
        app.secret = app_secrets.seal(secret)
    click.echo(f"secret: {secret.reveal()}")
    click.echo("It is shown this once; keep it where the tool finds it.")


@app_cli.command("delete")
@click.argument("app_id")
@click.confirmation_option(prompt="Delete this app for good?")
def delete_app(app_id: str) -> None:
    """Forget an app."""
    with _changed_app(app_id) as (session, app):
        session.delete(app)
    click.echo(f"deleted app {app_id}")


@contextmanager
def _changed_app(app_id: str) -> Iterator[tuple[Session, App]]:
    """Give the app in a transaction.

    :raises click.ClickException: there is none, or the database cannot be used.
    """
    with report_database_errors(""), app_state().database.write_session() as session:
        app = App.by_app_id(session, app_id, lock=True)
        if app is None:
            ids = session.scalars(select(App.app_id)).all()
            similar = nearest(app_id, ids)
            hint = f"; did you mean {similar}?" if similar else ""
            raise click.ClickException(f"there is no app {app_id}{hint}")
        yield session, app


def _warn_of_unknown(allow: tuple[str, ...]) -> None:
    for pattern in unknown_patterns(allow, app_state().gateway.catalog):
        click.echo(f"warning: {pattern} names nothing in the catalog", err=True)


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
    _list(
        select(App).order_by(App.app_id),
        ("app_id", "allow", "rate", "disabled"),
        as_json,
    )


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
