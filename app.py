"""The application factory: settings, log and the catalog's source; other parts by ``api.parts``."""

from __future__ import annotations

import sys
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from flask import Flask

import cli
from api import logs
from api.context import AppState, Parts
from api.flask_app import App
from config import Settings
from gateway.clock import Clock, SystemClock
from gateway.masking import Masker

if TYPE_CHECKING:
    from gateway.sources.watcher import Watcher

CONFIG = {
    "CACHE_TYPE": "api.http.cache.StoreCache",
    "COMPRESS_ALGORITHM": ["zstd", "br", "gzip"],
}


def create_app(
    settings: Settings | None = None,
    clock: Clock | None = None,
    *,
    serves: bool = True,
    has_views: bool = True,
) -> Flask:
    """Make Postern as a WSGI application.

    :param settings: by default those of the environment.
    :param clock: by default the system's.
    :param serves: otherwise it is a command's: logs to standard error, opens parts on demand.
    :param has_views: otherwise it has no routes, which few commands look at.
    :raises SettingsError: a setting is wrong.
    :raises CatalogError: the catalog is wrong.
    """
    settings = settings or Settings.from_env()
    clock = clock or SystemClock()
    masker = Masker()
    for secret in settings.secrets:
        masker.register(secret)
    stream = sys.stdout if serves else sys.stderr
    log = logs.configure(settings.log_level, masker, stream.buffer)

    app = App(__name__, static_folder=None)
    app.config.from_mapping(CONFIG, MAX_CONTENT_LENGTH=settings.max_body)
    state = AppState(
        settings=settings,
        masker=masker,
        log=log,
        open_watcher=partial(_open_watcher, settings, clock, log, masker),
        open_parts=cache(partial(_open_parts, app, clock)),
    )
    state.register(app)
    cli.register(app)
    if has_views:
        _add_views(app, state)
    if serves:
        _ = state.gateway  # now, or not at all
    return app


def _open_watcher(settings: Settings, clock: Clock, log: Any, masker: Masker) -> Watcher:
    from api.catalog_watcher import open_watcher

    return open_watcher(settings, clock, log, masker)


def _open_parts(app: App, clock: Clock) -> Parts:
    from api.parts import open_parts

    return open_parts(app, clock)


def _add_views(app: App, state: AppState) -> None:
    from api.parts import register_views

    state.files.sweep()
    register_views(app)
