"""What it takes to know who is calling, made once for each app: ``auth_services().tokens`` and its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from flask import Flask, current_app

from api.auth.app_secrets import AppSecrets
from api.auth.jwt import AccessTokens, Revocations
from api.auth.passwords import AT_ONCE, Lockout
from api.context import AppState
from gateway.clock import Clock
from gateway.stores import CounterStore, FallbackStore


@dataclass(frozen=True)
class AuthServices:
    clock: Clock
    tokens: AccessTokens
    revocations: Revocations
    nonces: CounterStore
    lockout: Lockout
    app_secrets: AppSecrets

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.wall(), UTC)


def register(app: Flask, clock: Clock) -> None:
    """Make it from the app's parts, which must be there.

    :raises SettingsError: a key file is not what JWT_ALGORITHM needs.
    """
    made: AppState = app.extensions["postern"]
    here = FallbackStore(made.store, clock)
    closed = made.settings.redis_down == "closed"
    app.extensions["postern.identity"] = AuthServices(
        clock=clock,
        tokens=AccessTokens(made.settings, clock),
        revocations=Revocations(made.database, made.store, clock, closed=closed),
        nonces=made.store if closed else here,
        lockout=Lockout(here, AT_ONCE),
        app_secrets=AppSecrets(made.settings),
    )


def auth_services() -> AuthServices:
    """Of the app that serves this request."""
    return cast(AuthServices, current_app.extensions["postern.identity"])
