"""What gunicorn and the flask command load: ``gunicorn wsgi:app``."""

import click
from flask.cli import FlaskGroup, run_command

from app import create_app
from config import Settings, SettingsError
from gateway.catalog.yaml.document import DocumentError

try:
    settings = Settings.from_env()
    context = click.get_current_context(silent=True)  # none while the shell completes a command
    running = context is not None and context.command is run_command
    if context is not None:  # gunicorn's configuration says them for all workers
        for warning in settings.warnings:
            click.echo(f"Postern: warning: {warning}", err=True)
    serves = running or "FLASK_RUN_FROM_CLI" not in settings.environ
    # Of our own commands, which Flask's group looks up, none needs routes; routes and shell do.
    is_own = context is None or isinstance(context.command, FlaskGroup)
    app = create_app(settings, serves=serves, has_views=serves or not is_own)
except (SettingsError, DocumentError) as error:
    raise SystemExit(f"Postern does not start:\n{error}") from error
