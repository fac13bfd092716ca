"""``flask openapi``: the OpenAPI file as a file."""

from __future__ import annotations

import click
import orjson
from flask import current_app
from flask.cli import with_appcontext

from api.openapi import OpenApi
from cli.serving import gateway


@click.command("openapi")
@with_appcontext
def openapi() -> None:
    """Print the OpenAPI file of the catalog, for generators and comparisons."""
    made: OpenApi = current_app.extensions["postern.openapi"]
    document = orjson.loads(made.page(gateway().catalog, pause=lambda: None).body())
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode())
