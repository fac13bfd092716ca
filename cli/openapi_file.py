"""``flask openapi``: the OpenAPI file, as ``/openapi.json`` has it."""

from __future__ import annotations

import json

import click
from flask import current_app
from flask.cli import with_appcontext

from api.flask_app import App
from api.openapi import OpenApi
from api.parts import register_views
from cli.loading import load_gateway

OPENAPI = "postern.openapi"


@click.command("openapi")
@with_appcontext
def openapi() -> None:
    """Print the OpenAPI file of the catalog, for generators and comparisons."""
    app: App = current_app._get_current_object()  # type: ignore[attr-defined]
    if OPENAPI not in app.extensions:  # an app for a command, without views
        register_views(app)
    builder: OpenApi = app.extensions[OPENAPI]
    page = builder.page(load_gateway().catalog, "", pause=lambda: None)
    click.echo(json.dumps(json.loads(page.body()), indent=2, sort_keys=True, ensure_ascii=False))
