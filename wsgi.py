"""What gunicorn and the flask command load: ``gunicorn wsgi:app``."""

import click
from flask.cli import run_command

from app import create_app
from config import Settings, SettingsError
from gateway.catalog.loader import CatalogError

try:
    settings = Settings.from_env()
    context = click.get_current_context(silent=True)  # none while the shell completes a command
    running = context is not None and context.command is run_command
    if context is not None:  # gunicorn's configuration says them for all workers
        for warning in settings.warnings:
            click.echo(f"Postern: warning: {warning}", err=True)
    app = create_app(settings, serves=running or "FLASK_RUN_FROM_CLI" not in settings.environ)
except (SettingsError, CatalogError) as error:
    raise SystemExit(f"Postern does not start:\n{error}") from error
