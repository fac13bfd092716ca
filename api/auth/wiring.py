"""The services that tell who is calling, built once for each app: ``auth_services()``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Flask

from api.auth.app_registry import AppRegistry
from api.auth.app_secrets import AppSecrets
from api.auth.jwt import AccessTokens, Revocations
from api.auth.passwords import MAX_CONCURRENT_HASHES, Lockout
from api.context import AppState
from api.request_context import current_app_context
from gateway.clock import Clock
from gateway.stores import CounterStore, FallbackStore

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


def register(app: Flask, clock: Clock) -> None:
    """Make the services from the app's state, which must be registered.

    :raises SettingsError: a key file is not what JWT_ALGORITHM needs.
    """
    state = AppState.of(app)
    fails_closed = state.settings.redis_down == "closed"
    counters = FallbackStore(state.store, clock)
    app_secrets = AppSecrets(state.settings)
    app.extensions[_EXTENSION] = AuthServices(
        clock=clock,
        tokens=AccessTokens(state.settings, clock),
        revocations=Revocations(state.database, state.store, clock, closed=fails_closed),
        nonces=state.store if fails_closed else counters,
        lockout=Lockout(counters, MAX_CONCURRENT_HASHES),
        app_secrets=app_secrets,
        apps=AppRegistry(state.database, clock, app_secrets, state.settings.default_rate_limit),
    )


def auth_services() -> AuthServices:
    """Return the services of the app that serves this request."""
    services: AuthServices = current_app_context().app.extensions[_EXTENSION]
    return services
