"""The catalog, for commands that cannot do without one and for what <TAB> offers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem
from flask.cli import ScriptInfo

from api.context import app_state
from gateway.catalog.document import DocumentError
from gateway.catalog.model import Catalog

if TYPE_CHECKING:
    from gateway import Gateway


def loaded_gateway() -> Gateway:
    """Return the gateway with its catalog.

    :raises click.ClickException: there is no good catalog; says all that is wrong with it.
    """
    try:
        return app_state().gateway
    except DocumentError as error:
        raise click.ClickException(f"there is no good catalog\n{error}") from error


def require_service(catalog: Catalog, name: str) -> None:
    """:raises click.ClickException: there is none of this name; says which there are."""
    if name not in catalog.services:
        raise click.ClickException(
            f"there is no service {name}; there are: {', '.join(catalog.services)}"
        )


def complete_service(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    services = _catalog(context).services
    return _offer(
        ((name, ", ".join(service.methods)) for name, service in services.items()), incomplete
    )


def complete_method(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the methods of the service before it."""
    service = _catalog(context).services.get(context.params.get("service") or "")
    if service is None:
        return []
    return _offer(((name, method.summary) for name, method in service.methods.items()), incomplete)


def complete_name(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer SERVICE and SERVICE.METHOD."""
    catalog = _catalog(context)
    services = [(name, ", ".join(service.methods)) for name, service in catalog.services.items()]
    methods = [(method.full_name, method.summary) for method in catalog.methods()]
    return _offer([*services, *methods], incomplete)


def _catalog(context: click.Context) -> Catalog:
    """Return the app's catalog, an empty one where it is wrong.

    Commands run within the app, completion does not, so the app is loaded here.
    """
    state: Any = context.ensure_object(ScriptInfo).load_app().extensions["postern"]
    try:
        catalog: Catalog = state.gateway.catalog
    except DocumentError:
        return Catalog({}, {}, (), ())
    return catalog


def _offer(choices: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    """Return the choices, each a value and its help, that begin so."""
    return [
        CompletionItem(value, help=text) for value, text in choices if value.startswith(incomplete)
    ]
