"""``flask cache clear``: forget the answers that calls were given."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from api.parts import parts
from cli import complete
from cli.serving import gateway
from gateway.errors import NotFound, StoreAway
from gateway.shelf import clear
from gateway.stores import MemoryStore

cache_cli = AppGroup("cache", help="Answers kept by methods that declare a cache.")


@cache_cli.command("clear")
@click.argument("name", metavar="SERVICE[.METHOD]", shell_complete=complete.names)
def clear_cache(name: str) -> None:
    """Use no answer of SERVICE, or of its METHOD alone, that is kept by now; every worker knows within a second."""
    made = parts()
    service, _, method = name.partition(".")
    catalog = gateway().catalog
    if service not in catalog.services:
        raise click.ClickException(f"there is no service {service}; there are: {', '.join(catalog.services)}")
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
