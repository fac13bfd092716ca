"""The application that ``postern``'s commands run in."""

from __future__ import annotations

import click
from flask import Flask

from app import create_app
from config import Settings, SettingsError


def load_app() -> Flask:
    """:raises click.ClickException: a setting is wrong."""
    settings = read_settings()
    for warning in settings.warnings:
        click.echo(f"Postern: warning: {warning}", err=True)
    return create_app(settings, serves=False, has_views=False)


def read_settings() -> Settings:
    """:raises click.ClickException: a setting is wrong."""
    try:
        return Settings.from_env()
    except SettingsError as error:
        raise click.ClickException(
            f"a setting is wrong\n{error}\npostern doctor looks at the rest"
        ) from error
