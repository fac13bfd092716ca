"""``flask catalog check|show``: is services.yaml right, and what is in it."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from api.parts import parts
from gateway.catalog import Catalog, Method
from gateway.loader import CatalogError, load_file

catalog_cli = AppGroup("catalog", help="The services that Postern can call.")


@catalog_cli.command("check")
@click.argument("file", required=False)
def check(file: str | None) -> None:
    """Say everything that is wrong with FILE (the configured catalog unless given), with line and key."""
    settings = parts().settings
    name = file or settings.catalog
    try:
        catalog = load_file(name, settings.environ)
    except CatalogError as error:
        raise click.ClickException(f"the catalog is refused\n{error}") from error
    if catalog.unbuilt:
        click.echo(f"{name}: note: accepted, but not built yet in this version: {', '.join(catalog.unbuilt)}")
    for note in catalog.notes:
        click.echo(f"{name}: note: {note}")
    click.echo(f"{name}: ok, {len(catalog.services)} services, {len(list(catalog.methods()))} methods")


@catalog_cli.command("show")
@click.argument("service", required=False)
def show(service: str | None) -> None:
    """List every method, or those of one SERVICE."""
    catalog: Catalog = parts().gateway.catalog
    if service and service not in catalog.services:
        raise click.ClickException(f"there is no service {service}; there are: {', '.join(catalog.services)}")
    methods = [method for method in catalog.methods() if service in (None, method.service.name)]
    rows = [(method.full_name, f"{method.verb} {method.path}", _params(method), method.summary) for method in methods]
    rows.insert(0, ("METHOD", "HTTP", "PARAMS", "SUMMARY"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[3]]).rstrip())


def _params(method: Method) -> str:
    """``touser! text! lang``: the required ones carry a mark."""
    return " ".join(f"{param.name}{'!' if param.keywords['required'] is True else ''}" for param in method.params)
