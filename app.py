"""The application factory: makes the parts and joins them. The only wiring."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from flask import Flask
from flask_caching import Cache

import api
import cli
from api import logs
from api import threads as native
from api.auth import wiring as identity
from api.context import AppState
from api.flask_app import App
from api.http import middleware
from api.resources.file_store import FileStore
from config import Settings
from gateway import Gateway
from gateway.clock import Clock, SystemClock
from gateway.http.client import Client
from gateway.http.resolver import Resolver
from gateway.masking import Masker
from gateway.metrics import Metrics
from gateway.runtime import Runtime as GatewayParts
from gateway.sources import open_source
from gateway.sources.watcher import Watcher
from gateway.stores import MemoryStore, Store
from gateway.stores.redis import RedisStore
from models import Database

CONFIG = {
    "CACHE_TYPE": "api.http.cache.StoreCache",
    "COMPRESS_ALGORITHM": ["zstd", "br", "gzip"],
}
CACHED_READS = 10_000


def create_app(
    settings: Settings | None = None, clock: Clock | None = None, *, serves: bool = True
) -> Flask:
    """Postern as a WSGI application.

    :param settings: from the environment unless given.
    :param clock: the system's unless given.
    :param serves: otherwise it is for a command, which answers on standard output, so that its log is on standard
        error, and which may need no catalog, so that one is read once it is asked for.
    :raises SettingsError: a setting is wrong.
    :raises CatalogError: the catalog is wrong.
    """
    settings = settings or Settings.from_env()
    masker, clock = Masker(), clock or SystemClock()
    log = logs.configure(settings.log_level, masker, (sys.stdout if serves else sys.stderr).buffer)

    app = App(__name__, static_folder=None)
    app.config.from_mapping(CONFIG, MAX_CONTENT_LENGTH=settings.max_body)

    database = Database(settings.database_url, settings.database_pool_size)
    files = FileStore(Path(settings.files_dir), database)
    files.sweep()
    store, cached = _stores(app, settings, clock, log)
    watcher = _watcher(settings, clock, log, masker)
    shared = GatewayParts.over(store, metrics=Metrics(), clock=clock, log=log, masker=masker)
    made = app.extensions["postern"] = AppState(
        settings=settings,
        database=database,
        files=files,
        store=store,
        make_gateway=partial(_gateway, watcher, shared, settings),
        watcher=watcher,
        cache=Cache(app, config={"CACHE_OPTIONS": {"store": cached}}),
        masker=masker,
        log=log,
    )
    if serves:
        _ = made.gateway  # now, or not at all
    identity.register(app, clock)
    for secret in settings.secrets:
        masker.register(secret)

    api.register(app)
    cli.register(app)
    middleware.register(app, settings)
    return app


def _watcher(settings: Settings, clock: Clock, log: Any, masker: Masker) -> Watcher:
    source = open_source(
        settings.catalog, settings.environ, clock, masker, native.run_in_thread_within
    )
    return Watcher.of(source, settings.environ, settings.catalog_copy, clock=clock, log=log)


def _gateway(watcher: Watcher, shared: GatewayParts, settings: Settings) -> Gateway:
    client = Client(
        shared.clock, Resolver(shared.clock), settings.outbound, _tls_warning(shared.log)
    )
    parts = replace(shared, client=client, dumps=settings.log_level == "debug")
    made = Gateway(watcher.load(), parts)
    made.follow(watcher)
    if settings.otlp_endpoint:  # an extra, which is not loaded otherwise
        made.records.exporter = import_module("gateway.telemetry.spans").Spans(
            settings.otlp_endpoint
        )
    return made


def _tls_warning(log: Any) -> Callable[[str], None]:
    return lambda why: log.warning("tls", why=why)


def _stores(app: Flask, settings: Settings, clock: Clock, log: Any) -> tuple[Store, Store]:
    """What all workers share, and where reads are kept: both on Redis, or two in memory, the second of bounded size."""
    if not settings.redis_url:
        return MemoryStore(clock), MemoryStore(clock, CACHED_READS)
    store = RedisStore(settings.redis_url, log.warning)
    app.before_request(store.link.begin)
    return store, store
