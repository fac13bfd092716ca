"""The gateway, for commands that cannot do without a catalog."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem
from flask.cli import ScriptInfo

from api.context import app_state
from gateway import Gateway
from gateway.catalog.loader import CatalogError
from gateway.catalog.model import Catalog

# serving: The gateway, for commands that cannot do without a catalog.


def gateway() -> Gateway:
    """:raises click.ClickException: there is no good catalog; says all that is wrong with it."""
    try:
        return app_state().gateway
    except CatalogError as error:
        raise click.ClickException(f"there is no good catalog\n{error}") from error


# complete: What <TAB> offers: the catalog's services and methods.


def services(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return _fitting(
        ((name, _known(service.methods)) for name, service in _catalog(context).services.items()),
        incomplete,
    )


def methods(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Those of the service before it."""
    service = _catalog(context).services.get(context.params.get("service") or "")
    named = ((name, method.summary) for name, method in service.methods.items()) if service else ()
    return _fitting(named, incomplete)


def names(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """SERVICE and SERVICE.METHOD."""
    catalog = _catalog(context)
    whole = [(name, _known(service.methods)) for name, service in catalog.services.items()]
    return _fitting(
        [*whole, *((method.full_name, method.summary) for method in catalog.methods())], incomplete
    )


def _known(methods: Iterable[str]) -> str:
    return ", ".join(methods)


def _catalog(context: click.Context) -> Catalog:
    """The catalog of the app, nothing where it is wrong: commands run within the app, completion does not."""
    made: Any = context.ensure_object(ScriptInfo).load_app().extensions["postern"]
    try:
        catalog: Catalog = made.gateway.catalog
    except CatalogError:
        return Catalog({}, {}, (), ())
    return catalog


def _fitting(offered: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=text) for name, text in offered if name.startswith(incomplete)
    ]
