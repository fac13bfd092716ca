"""What an app has beside settings, log and catalog's source, for those who need any of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from flask_caching import Cache

from api import blueprints
from api.auth import wiring as auth
from api.context import AppState, Parts
from api.flask_app import App
from api.http import middleware
from api.resources.file_store import FileStore
from gateway.clock import Clock
from gateway.discovery import RegistryDirectory
from gateway.gateway import Gateway
from gateway.http.client import Client
from gateway.http.connect.resolver import Resolver
from gateway.metrics import Metrics
from gateway.runtime import Runtime
from gateway.stores import MemoryStore, Store
from models import Database
from models.connections.vault import ConnectionVault

MAX_CACHED_READS = 10_000  # in memory, where there is no Redis


def open_parts(app: Flask, clock: Clock) -> Parts:
    """Open what the settings name, of an app whose state is registered.

    :raises SettingsError: a key file is not what JWT_ALGORITHM needs.
    """
    state = AppState.of(app)
    settings = state.settings
    database = Database(settings.database_url, settings.database_pool_size)
    store, cache_store = _open_stores(app, state, clock)
    seal = auth.register(app, database, store, clock).app_secrets
    connections = ConnectionVault(database, seal, clock)
    return Parts(
        database=database,
        files=FileStore(Path(settings.files_dir), database),
        store=store,
        cache=Cache(app, config={"CACHE_OPTIONS": {"store": cache_store}}),
        connections=connections,
        make_gateway=partial(_make_gateway, state, store, clock, connections),
    )


def register_views(app: App) -> None:
    """Give the app its routes, and what stands between them and the wire."""
    blueprints.register(app)
    middleware.register(app, AppState.of(app).settings)


def _open_stores(app: Flask, state: AppState, clock: Clock) -> tuple[Store, Store]:
    """Return the shared store and that of cached reads: Redis, or memory, the second bounded."""
    if not state.settings.redis_url:
        return MemoryStore(clock), MemoryStore(clock, MAX_CACHED_READS)
    from gateway.stores.redis import RedisStore

    store = RedisStore(state.settings.redis_url, state.log.warning)
    app.before_request(store.link.begin_request)
    return store, store


def _make_gateway(
    state: AppState, store: Store, clock: Clock, connections: ConnectionVault
) -> Gateway:
    settings = state.settings
    directory = RegistryDirectory(settings.environ, clock, state.log, state.masker)
    warn = partial(_warn_of_tls, state.log)
    client = Client(clock, Resolver(clock), settings.outbound, warn, directory)
    runtime = Runtime.create(
        store, metrics=Metrics(), clock=clock, log=state.log, masker=state.masker
    )
    dumps = settings.log_level == "debug"
    runtime = replace(runtime, client=client, connections=connections, dumps=dumps)
    gateway = Gateway(state.watcher.load(), runtime)
    gateway.follow(state.watcher)
    if settings.otlp_endpoint:  # which is refused where the extra is not installed
        from gateway.telemetry.spans import SpanExporter

        gateway.records.exporter = SpanExporter(settings.otlp_endpoint)
    return gateway


def _warn_of_tls(log: Any, reason: str) -> None:
    log.warning("tls", why=reason)
