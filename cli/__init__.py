"""The commands that ``flask`` has beside its own; each is imported once it is named.

>>> cli.register(app)
>>> app.test_cli_runner().invoke(args=["catalog", "check"]).output
"services.yaml: ok, 6 services, 12 methods\\n"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from flask import Flask
    from flask.cli import ScriptInfo


class LateCommand(click.Command):
    """Stands for a command, which makes its own context and runs in it.

    :param load: imports and returns the command; has its name and, as docstring, its short help.
    """

    def __init__(self, load: Callable[[], click.Command]) -> None:
        super().__init__(load.__name__, help=load.__doc__)
        self.load = load

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        return self.load().make_context(*args, **options)


def catalog() -> click.Command:
    """The services that Postern can call."""
    from cli.catalog import catalog_cli

    return catalog_cli


def cache() -> click.Command:
    """Answers kept by methods that declare a cache."""
    from cli.cache import cache_cli

    return cache_cli


def call() -> click.Command:
    """Call METHOD of SERVICE with PARAMS (name=value; a value that begins with [ or { is JSON)."""
    from cli.call import call_cli

    return call_cli


def connect() -> click.Command:
    """Connect SERVICE to the team's account, for auth type oauth2 with grant authorization_code."""
    from cli.connect import connect_cli

    return connect_cli


def user() -> click.Command:
    """People, who log in with a password."""
    from cli.accounts.users import user_cli

    return user_cli


def app() -> click.Command:
    """Tools, which sign their requests."""
    from cli.accounts.sign import app_cli

    return app_cli


def secrets() -> click.Command:
    """The secrets that are kept sealed."""
    from cli.secrets import secrets_cli

    return secrets_cli


def audit() -> click.Command:
    """What was done to accounts and to others' belongings."""
    from cli.audit import audit_cli

    return audit_cli


def db() -> click.Command:
    """The database's versions."""
    from cli.database import database_cli

    return database_cli


def backup() -> click.Command:
    """Write the database and the files to FILE (.tar or .tar.gz), while the server runs."""
    from cli.backup import backup

    return backup


def restore() -> click.Command:
    """Fill an empty database, and the folder of files, from FILE."""
    from cli.backup import restore

    return restore


def init() -> click.Command:
    """Development only: the newest tables, and a first admin if there is nobody."""
    from cli.database import init

    return init


def seed() -> click.Command:
    """Development only: 100 products, 20 users and 300 orders; what is there already stays"""
    from cli.seed import seed

    return seed


def top() -> click.Command:
    """Show every service: calls per second, latency, failures, breaker, health."""
    from cli.top import top

    return top


def doctor() -> click.Command:
    """Say what is wrong with this installation, and what to do."""
    from cli.doctor import doctor

    return doctor


def openapi() -> click.Command:
    """Print the OpenAPI file of the catalog, for generators and comparisons."""
    from cli.openapi_file import openapi

    return openapi


COMMANDS = (
    catalog, cache, call, connect, user, app, secrets, audit, db, backup, restore, init, seed, top,
    doctor, openapi,
)  # fmt: skip


def first_steps() -> click.Command:
    """Write a first .env; in development also tables and an admin."""
    from cli.program.first_steps import first_steps

    return first_steps


first_steps.__name__ = "init"


def run() -> click.Command:
    """Start the server: gunicorn, with ARGUMENTS of its own."""
    from cli.program import run

    return run


PROGRAM_COMMANDS = (first_steps, run)  # of ``postern`` alone, in the place of Flask's


def app_info() -> ScriptInfo:
    """Return what commands find the application by, which is made once one asks for it."""
    from flask.cli import ScriptInfo

    from cli.program.application import load_app

    return ScriptInfo(create_app=load_app)


def register(app: Flask) -> None:
    for load in COMMANDS:
        app.cli.add_command(LateCommand(load))
