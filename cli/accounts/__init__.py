"""What the commands for users and apps have in common: checks, errors, lists, the audit log."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import marshmallow
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from api.audit import record
from api.auth.wiring import AuthServices, auth_services
from api.context import app_state
from cli.output import print_json, table
from gateway.errors import nearest
from models import Act, Origin


def load_auth() -> AuthServices:
    """Return the services that make and check proofs of who is calling."""
    app_state().open_parts()
    return auth_services()


def validate_with(validator: Callable[[Any], Any]) -> Callable[..., Any]:
    """Make a click callback of one of marshmallow's validators; None passes."""

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


def no_such(kind: str, name: str, names: Iterable[str]) -> click.ClickException:
    """Return what to raise where there is none of this name, with the one that may be meant."""
    similar = nearest(name, names)
    hint = f"; did you mean {similar}?" if similar else ""
    return click.ClickException(f"there is no {kind} {name}{hint}")


def record_act(session: Session, act: Act) -> None:
    """Write down what this command does, in the transaction that does it."""
    record(session, Origin(f"cli:{os_user()}", socket.gethostname()), act)


def os_user() -> str:
    """Return who runs this process: as the system says, for everybody can set a variable."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container's user often has no name
        return str(number)


def print_rows(query: sa.Select[Any], columns: tuple[str, ...], as_json: bool) -> None:
    with read_session() as session:
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


def url_without_password(url: str) -> str:
    """Return a database's URL without its query, and with stars for its password."""
    return sa.make_url(url).set(query={}).render_as_string(hide_password=True)


@contextmanager
def read_session() -> Iterator[Session]:
    """Open a transaction that only reads; it reports the database's errors."""
    with report_database_errors(), app_state().database.read_session() as session:
        yield session


@contextmanager
def write_session(duplicate: str = "") -> Iterator[Session]:
    """Open a transaction that may write; report its errors, ``duplicate`` for a unique value."""
    with report_database_errors(duplicate), app_state().database.write_session() as session:
        yield session


@contextmanager
def report_database_errors(duplicate: str = "") -> Iterator[None]:
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
            url = url_without_password(app_state().settings.database_url)
            message += f"; it is {url}; if that is the one you mean, try: flask db upgrade"
        raise click.ClickException(message) from error
