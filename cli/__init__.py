"""What ``flask ...`` can do besides serving."""

from __future__ import annotations

import json

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from api.context import app_state
from api.openapi import OpenApi
from cli import loading as complete
from cli.accounts import app_cli, user_cli
from cli.call import call_cli
from cli.catalog import catalog_cli
from cli.database import database_cli, init
from cli.loading import gateway
from cli.seed import seed
from cli.sign import sign
from cli.top import top
from gateway.errors import NotFound, StoreAway
from gateway.middleware.answer_cache import clear
from gateway.stores import MemoryStore

# cache: ``flask cache clear``: forget the answers that calls were given.

cache_cli = AppGroup("cache", help="Answers kept by methods that declare a cache.")


@cache_cli.command("clear")
@click.argument("name", metavar="SERVICE[.METHOD]", shell_complete=complete.names)
def clear_cache(name: str) -> None:
    """Use no answer of SERVICE, or of its METHOD alone, that is kept by now; every worker knows within a second."""
    made = app_state()
    service, _, method = name.partition(".")
    catalog = gateway().catalog
    if service not in catalog.services:
        raise click.ClickException(
            f"there is no service {service}; there are: {', '.join(catalog.services)}"
        )
    if "." in name:
        try:
            gateway().method(service, method)
        except NotFound as error:
            raise click.ClickException(str(error)) from error
    if isinstance(made.store, MemoryStore):
        raise click.ClickException(
            "answers are kept in the memory of the server, which no command reaches; "
            "restart the server, or set REDIS_URL, which server and commands share"
        )
    try:
        clear(made.store, name)
    except StoreAway as error:
        raise click.ClickException("Redis cannot be reached; nothing was cleared") from error
    click.echo(f"cleared {name}; every worker knows within a second")


# openapi_file: ``flask openapi``: the OpenAPI file as a file.


@click.command("openapi")
@with_appcontext
def openapi() -> None:
    """Print the OpenAPI file of the catalog, for generators and comparisons."""
    made: OpenApi = current_app.extensions["postern.openapi"]
    document = json.loads(made.page(gateway().catalog, "", pause=lambda: None).body())
    click.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))


# __init__: What ``flask ...`` can do besides serving.

COMMANDS = (
    catalog_cli,
    cache_cli,
    call_cli,
    user_cli,
    app_cli,
    database_cli,
    init,
    seed,
    top,
    openapi,
)


app_cli.add_command(sign)


def register(app: Flask) -> None:
    for command in COMMANDS:
        app.cli.add_command(command)
