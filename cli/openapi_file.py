"""``flask openapi``: the OpenAPI file, as ``/openapi.json`` has it."""

from __future__ import annotations

import json

import click
from flask import current_app
from flask.cli import with_appcontext

from api.openapi import OpenApi
from cli.loading import loaded_gateway


@click.command("openapi")
@with_appcontext
def openapi() -> None:
    """Print the OpenAPI file of the catalog, for generators and comparisons."""
    builder: OpenApi = current_app.extensions["postern.openapi"]
    page = builder.page(loaded_gateway().catalog, "", pause=lambda: None)
    click.echo(json.dumps(json.loads(page.body()), indent=2, sort_keys=True, ensure_ascii=False))
