"""``flask db`` moves the database between versions; ``flask init`` makes it ready for a try."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import sqlalchemy as sa
from alembic.util import CommandError
from flask.cli import AppGroup, with_appcontext

from api.context import app_state
from cli.accounts import report_database_errors
from cli.accounts.users import add_user
from config import places
from models import User
from models.database import migrate
from models.database.revisions import revision_exists

database_cli = AppGroup("db", help="The database's versions.")


@database_cli.command("upgrade")
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the database to REVISION, the newest unless given.

    What a later version has made is left as it is, so that an earlier one starts beside it.
    """
    if revision == "head":
        with _report_errors():
            at = migrate.current_revision(app_state().settings.database_url)
        if at and not revision_exists(at):
            click.echo(f"database at {at}, which a later version made: left as it is")
            return
    _migrate(migrate.upgrade, revision)


@database_cli.command("downgrade")
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Take the database back to REVISION; ``base`` is before the first."""
    _migrate(migrate.downgrade, revision)


@database_cli.command("current")
def current() -> None:
    """Say which revision the database is at."""
    with _report_errors():
        click.echo(migrate.current_revision(app_state().settings.database_url) or "empty")


@database_cli.command("revision")
@click.argument("message")
def revision(message: str) -> None:
    """Write a new version by what the models have and the database has not (for developers)."""
    with _report_errors():
        migrate.create_revision(app_state().settings.database_url, message)


@click.command("init")
@with_appcontext
def init() -> None:
    """Development only: the newest tables, and a first admin if there is nobody."""
    settings = app_state().settings
    if not settings.development:
        raise click.ClickException(
            "flask init is for development; use flask db upgrade and flask user create"
        )
    _migrate(migrate.upgrade, "head")
    with app_state().database.read_session() as session:
        if session.scalar(sa.select(User.id).limit(1)):
            click.echo(
                "there are users already; for another admin: flask user create NAME --role admin"
            )
            return
    if problem := places.listen_problem(settings.host, settings.port):
        raise click.ClickException(problem)  # or whoever has the port would get the password
    password = secrets.token_urlsafe(12)
    add_user("admin", "admin", password)
    body = json.dumps({"username": "admin", "password": password})
    url = f"{settings.url}/api/v1/login"
    click.echo(f"made user admin with password {password} (shown this once). Log in:\n")
    click.echo(f"  curl -s {url} -H 'Content-Type: application/json' -d '{body}'\n")


def _migrate(migration: Callable[[str, str], None], revision: str) -> None:
    url = app_state().settings.database_url
    with _report_errors():
        migration(url, revision)
        click.echo(f"database at {migrate.current_revision(url) or 'base'}")


@contextmanager
def _report_errors() -> Iterator[None]:
    """Turn what the database or Alembic refuses into click's exceptions."""
    try:
        with report_database_errors("the rows that are there do not fit this revision"):
            yield
    except CommandError as error:
        raise click.ClickException(str(error)) from error
