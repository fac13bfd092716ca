"""``flask app``: tools, which sign their requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
import sqlalchemy as sa
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from api.audit import app_act
from cli.accounts import load_auth, no_such, print_rows, record_act, validate_with, write_session
from cli.loading import load_gateway
from cli.output import AS_JSON
from gateway.catalog.model import unknown_patterns
from gateway.masking import Secret
from models import App
from schemas.users import ALLOWED, APP_ID, RATE

SEVERAL = "Give it several times for several."


def check_allow(
    context: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    """:raises click.BadParameter: one of the names is none, or several are in one word."""
    for names in value:
        if "," in names:
            options = " ".join(f"--allow '{name.strip()}'" for name in names.split(","))
            raise click.BadParameter(f"holds a comma; give it several times: {options}")
    validate_with(ALLOWED)(context, param, value)
    return value


app_cli = AppGroup("app", help="Tools, which sign their requests.")


@app_cli.command("create")
@click.argument("app_id", callback=validate_with(APP_ID))
@click.option(
    "--allow",
    multiple=True,
    required=True,
    callback=check_allow,
    help=f"A service or method, such as maps or 'wechat.*'. {SEVERAL}",
)
@click.option(
    "--rate",
    callback=validate_with(RATE),
    help="such as 100/minute; DEFAULT_RATE_LIMIT unless given",
)
def create_app(app_id: str, allow: tuple[str, ...], rate: str | None) -> None:
    """Make an app and print its secret, once."""
    app_secrets = load_auth().app_secrets
    secret = app_secrets.make()
    duplicate = f"there is an app {app_id} already"
    with write_session(duplicate) as session:
        session.add(
            App(app_id=app_id, secret=app_secrets.seal(secret), allow=list(allow), rate=rate)
        )
        record_act(session, app_act("create", app_id, {"allow": list(allow), "rate": rate}))
    click.echo(f"made app {app_id}, which may call {', '.join(allow)}")
    _print_secret(secret)
    _warn_of_unknown(allow)


@app_cli.command("set")
@click.argument("app_id")
@click.option(
    "--allow", multiple=True, callback=check_allow, help=f"Replaces the whole list. {SEVERAL}"
)
@click.option("--rate", callback=validate_with(RATE), help="such as 100/minute")
def set_app(app_id: str, allow: tuple[str, ...], rate: str | None) -> None:
    """Change what an app may call, or how often."""
    if not allow and rate is None:
        raise click.UsageError("say --allow or --rate")
    columns: dict[str, Any] = {}
    if allow:
        columns["allow"] = list(allow)
    if rate is not None:
        columns["rate"] = rate
    with _edit_app(app_id, "change", columns):
        pass
    click.echo(f"changed app {app_id}")
    _warn_of_unknown(allow)


@app_cli.command("disable")
@click.argument("app_id")
def disable_app(app_id: str) -> None:
    """Refuse whatever an app signs from now on."""
    with _edit_app(app_id, "disable", {"disabled": True}):
        pass
    click.echo(f"disabled app {app_id}")


@app_cli.command("enable")
@click.argument("app_id")
def enable_app(app_id: str) -> None:
    """Take what an app signs again."""
    with _edit_app(app_id, "enable", {"disabled": False}):
        pass
    click.echo(f"enabled app {app_id}")


@app_cli.command("rotate")
@click.argument("app_id")
def rotate_app(app_id: str) -> None:
    """Make a new secret and print it, once; the previous one is good until the next time."""
    app_secrets = load_auth().app_secrets
    secret = app_secrets.make()
    with _edit_app(app_id, "rotate") as (_, app):
        if app.disabled:
            raise click.ClickException(f"app {app_id} is disabled; enable it first")
        app.previous_secret = app.secret
        app.secret = app_secrets.seal(secret)
    _print_secret(secret)


@app_cli.command("delete")
@click.argument("app_id")
@click.confirmation_option(prompt="Delete this app for good?")
def delete_app(app_id: str) -> None:
    """Forget an app."""
    with _edit_app(app_id, "delete") as (session, app):
        session.delete(app)
    click.echo(f"deleted app {app_id}")


@contextmanager
def _edit_app(
    app_id: str, verb: str, columns: Mapping[str, Any] | None = None
) -> Iterator[tuple[Session, App]]:
    """Change the columns of an app, and give it in the transaction that does so.

    :param verb: as the audit log tells it.
    :raises click.ClickException: there is none, or the database cannot be used.
    """
    with write_session() as session:
        app = App.by_app_id(session, app_id, lock=True)
        if app is None:
            raise no_such("app", app_id, session.scalars(sa.select(App.app_id)))
        for name, value in (columns or {}).items():
            setattr(app, name, value)
        record_act(session, app_act(verb, app_id, columns))
        yield session, app


def _print_secret(secret: Secret) -> None:
    click.echo(f"secret: {secret.reveal()}")
    click.echo("It is shown this once; keep it where the tool finds it.")


def _warn_of_unknown(allow: tuple[str, ...]) -> None:
    try:
        catalog = load_gateway().catalog
    except click.ClickException as error:  # the app is made all the same
        click.echo(f"warning: {error.message}", err=True)
        return
    for pattern in unknown_patterns(allow, catalog):
        click.echo(f"warning: {pattern} names nothing in the catalog", err=True)


@app_cli.command("list")
@AS_JSON
def list_apps(as_json: bool) -> None:
    """Every tool that may sign; RATE is - where DEFAULT_RATE_LIMIT counts."""
    columns = ("app_id", "allow", "rate", "disabled")
    print_rows(sa.select(App).order_by(App.app_id), columns, as_json)
