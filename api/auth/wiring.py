"""The services that tell who is calling, built once for each app: ``auth_services()``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Flask

from api.auth.app_registry import AppRegistry
from api.auth.app_secrets import AppSecrets
from api.auth.jwt import AccessTokens
from api.auth.lockout import Lockout
from api.auth.passwords import MAX_CONCURRENT_HASHES
from api.auth.revocations import LOCAL_RELOAD_SECONDS, RELOAD_SECONDS, Revocations
from api.context import AppState
from api.request_context import current_app_context
from gateway.clock import Clock
from gateway.stores import CounterStore, FallbackStore, Store
from models import Database

_EXTENSION = "postern.auth"


@dataclass(frozen=True)
class AuthServices:
    clock: Clock
    tokens: AccessTokens
    revocations: Revocations
    nonces: CounterStore
    lockout: Lockout
    app_secrets: AppSecrets
    apps: AppRegistry

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.wall(), UTC)


def register(app: Flask, database: Database, store: Store, clock: Clock) -> AuthServices:
    """:raises SettingsError: a key file is not what JWT_ALGORITHM needs."""
    settings = AppState.of(app).settings
    fails_closed = settings.redis_down == "closed"
    counters = FallbackStore(store, clock)
    app_secrets = AppSecrets(settings)
    services = AuthServices(
        clock=clock,
        tokens=AccessTokens(settings, clock),
        revocations=Revocations(
            database,
            store,
            clock,
            closed=fails_closed,
            reload_seconds=RELOAD_SECONDS if settings.redis_url else LOCAL_RELOAD_SECONDS,
        ),
        nonces=store if fails_closed else counters,
        lockout=Lockout(counters, MAX_CONCURRENT_HASHES),
        app_secrets=app_secrets,
        apps=AppRegistry(database, clock, app_secrets, settings.default_rate_limit),
    )
    app.extensions[_EXTENSION] = services
    return services


def auth_services() -> AuthServices:
    """Return the services of the app that serves this request."""
    return current_app_context().app.extensions[_EXTENSION]
