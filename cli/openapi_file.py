"""``flask openapi``: the OpenAPI file as a file."""

from __future__ import annotations

import json

import click
from flask import current_app
from flask.cli import with_appcontext

from api.openapi import OpenApi
from cli.serving import gateway


@click.command("openapi")
@with_appcontext
def openapi() -> None:
    """Print the OpenAPI file of the catalog, for generators and comparisons."""
    made: OpenApi = current_app.extensions["postern.openapi"]
    document = json.loads(made.page(gateway().catalog, "", pause=lambda: None).body())
    click.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
