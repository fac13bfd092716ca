"""The application factory: makes the parts of the service and joins them. The only wiring.

Example::

    app = create_app(Settings.from_env())
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from flask_caching import Cache

import cli
from api import blueprints, logs
from api.auth import wiring as auth
from api.catalog_watcher import open_watcher
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
from gateway.runtime import Runtime
from gateway.sources.watcher import Watcher
from gateway.stores import MemoryStore, Store
from models import Database

CONFIG = {
    "CACHE_TYPE": "api.http.cache.StoreCache",
    "COMPRESS_ALGORITHM": ["zstd", "br", "gzip"],
}
MAX_CACHED_READS = 10_000  # in memory, where there is no Redis


def create_app(
    settings: Settings | None = None, clock: Clock | None = None, *, serves: bool = True
) -> Flask:
    """Make Postern as a WSGI application.

    :param settings: by default those of the environment.
    :param clock: by default the system's.
    :param serves: otherwise the app is for a command, which answers on standard output: its log is
        on standard error, and its catalog is read once a command needs it, for many need none.
    :raises SettingsError: a setting is wrong.
    :raises CatalogError: the catalog is wrong.
    """
    settings = settings or Settings.from_env()
    clock = clock or SystemClock()
    masker = Masker()
    for secret in settings.secrets:
        masker.register(secret)
    log = logs.configure(settings.log_level, masker, _log_stream(serves))

    app = App(__name__, static_folder=None)
    app.config.from_mapping(CONFIG, MAX_CONTENT_LENGTH=settings.max_body)

    database = Database(settings.database_url, settings.database_pool_size)
    files = FileStore(Path(settings.files_dir), database)
    files.sweep()
    store, cache_store = _open_stores(app, settings, clock, log)
    watcher = open_watcher(settings, clock, log, masker)
    runtime = Runtime.create(store, metrics=Metrics(), clock=clock, log=log, masker=masker)
    state = AppState(
        settings=settings,
        database=database,
        files=files,
        store=store,
        make_gateway=partial(_make_gateway, watcher, runtime, settings),
        watcher=watcher,
        cache=Cache(app, config={"CACHE_OPTIONS": {"store": cache_store}}),
        masker=masker,
        log=log,
    )
    state.register(app)
    if serves:
        _ = state.gateway  # now, or not at all

    auth.register(app, clock)
    blueprints.register(app)
    cli.register(app)
    middleware.register(app, settings)
    return app


def _log_stream(serves: bool) -> Any:
    stream = sys.stdout if serves else sys.stderr
    return stream.buffer


def _open_stores(app: Flask, settings: Settings, clock: Clock, log: Any) -> tuple[Store, Store]:
    """Return the shared store and that of cached reads: Redis, or memory, the second bounded."""
    if not settings.redis_url:
        return MemoryStore(clock), MemoryStore(clock, MAX_CACHED_READS)
    from gateway.stores.redis import RedisStore

    store = RedisStore(settings.redis_url, log.warning)
    app.before_request(store.link.begin_request)
    return store, store


def _make_gateway(watcher: Watcher, runtime: Runtime, settings: Settings) -> Gateway:
    clock = runtime.clock
    client = Client(clock, Resolver(clock), settings.outbound, partial(_warn_of_tls, runtime.log))
    runtime = replace(runtime, client=client, dumps=settings.log_level == "debug")
    gateway = Gateway(watcher.load(), runtime)
    gateway.follow(watcher)
    if settings.otlp_endpoint:  # which is refused where the extra is not installed
        from gateway.telemetry.spans import SpanExporter

        gateway.records.exporter = SpanExporter(settings.otlp_endpoint)
    return gateway


def _warn_of_tls(log: Any, reason: str) -> None:
    log.warning("tls", why=reason)
