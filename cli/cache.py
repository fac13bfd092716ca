"""``flask cache clear``: forget the answers that calls were given."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from api.context import app_state
from cli.loading import load_gateway, require_service
from cli.names import complete_name
from gateway.errors import NotFound, StoreUnavailable
from gateway.state.answer_cache import clear
from gateway.stores import MemoryStore

cache_cli = AppGroup("cache", help="Answers kept by methods that declare a cache.")


@cache_cli.command("clear")
@click.argument("name", metavar="SERVICE[.METHOD]", shell_complete=complete_name)
def clear_cache(name: str) -> None:
    """Use no answer of SERVICE, or of its METHOD alone, that is kept by now; every worker knows
    within a second.
    """
    gateway = load_gateway()
    service, dot, method = name.partition(".")
    require_service(gateway.catalog, service)
    if dot:
        try:
            gateway.method(service, method)
        except NotFound as error:
            raise click.ClickException(str(error)) from error
    store = app_state().store
    if isinstance(store, MemoryStore):
        raise click.ClickException(
            "answers are kept in the memory of the server, which no command reaches; "
            "restart the server, or set REDIS_URL, which server and commands share"
        )
    try:
        clear(store, name)
    except StoreUnavailable as error:
        raise click.ClickException("Redis cannot be reached; nothing was cleared") from error
    click.echo(f"cleared {name}; every worker knows within a second")
