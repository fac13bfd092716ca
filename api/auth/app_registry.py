"""The apps that may sign, kept in memory: a signed request asks the database for none of them.

All are read at once, and the one that a refused signature names, once more: finding no such app
takes as long as finding one, but for some twenty microseconds.
"""

from __future__ import annotations

import hmac
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from api.auth.app_secrets import AppSecrets
from gateway.clock import Clock
from gateway.masking import Secret
from gateway.messages import Caller
from models import App, Database

#: After which another process's change counts; one of this process counts at once.
MAX_AGE_SECONDS = 1.0
USE_SECONDS = 30.0  # between two notes of when an app last signed
_COLUMNS = (App.id, App.app_id, App.secret, App.previous_secret, App.allow, App.rate, App.disabled)
_AppRow = sa.Row[int, str, str, str | None, list[str], str | None, bool]


class RegisteredApp:
    """One row, as of a moment ago, and what is made of it once for all requests.

    :ivar used_at: the instant at which this process last stored that it signs.
    """

    def __init__(self, row: _AppRow, secrets: AppSecrets, rate: str | None) -> None:
        self.row = row
        self.disabled = row.disabled
        self.caller = Caller(f"app:{row.app_id}", "user", tuple(row.allow), row.rate or rate)
        self.used_at = -math.inf
        self._secrets = secrets

    @cached_property
    def keys(self) -> tuple[hmac.HMAC | None, hmac.HMAC | None]:
        """What checks signatures by the current and the previous secret; None where none opens.

        Opened at the first request, for of many apps few sign.
        """
        return self._open(self.row.secret), self._open(self.row.previous_secret)

    def reseal(self) -> dict[str, str]:
        """Return the secrets under the current key, by column."""
        row = self.row
        columns = {"secret": self._secrets.reseal(row.secret)}
        if row.previous_secret:
            columns["previous_secret"] = self._secrets.reseal(row.previous_secret)
        return columns

    def _open(self, sealed: str | None) -> hmac.HMAC | None:
        secret = self._secrets.unseal(sealed) if sealed else None
        return signing_key(secret) if secret else None


def signing_key(secret: Secret) -> hmac.HMAC:
    """Return a hash that is begun with the secret; a copy of it goes on with a text."""
    return hmac.new(secret.reveal().encode(), digestmod="sha256")


@dataclass(frozen=True, slots=True)
class _Snapshot:
    apps: dict[str, RegisteredApp]
    write_count: int
    expires_at: float


class AppRegistry:
    """Safe under threads: a snapshot is replaced, never changed.

    Its methods raise a ``SQLAlchemyError`` where the database does not answer.

    :param rate: of the apps that have none of their own.
    """

    def __init__(
        self, database: Database, clock: Clock, secrets: AppSecrets, rate: str | None
    ) -> None:
        self._database = database
        self._clock = clock
        self._secrets = secrets
        self._rate = rate
        self._snapshot = _Snapshot({}, -1, 0.0)

    def get(self, app_id: str) -> RegisteredApp | None:
        """Return the app of this id, as it was at most `MAX_AGE_SECONDS` ago."""
        return self._current_snapshot().apps.get(app_id)

    def read(self, app_id: str) -> RegisteredApp | None:
        """Return the app of this id as it is now; `get` knows it, too, a second later at most."""
        snapshot = self._snapshot
        with self._database.read_connection() as connection:
            row = connection.execute(sa.select(*_COLUMNS).where(App.app_id == app_id)).one_or_none()
        app = self._register(row) if row else None
        if app is not snapshot.apps.get(app_id):
            self._snapshot = replace(snapshot, expires_at=-math.inf)
        return app

    def _current_snapshot(self) -> _Snapshot:
        snapshot = self._snapshot
        is_stale = self._clock.now() >= snapshot.expires_at
        if is_stale or snapshot.write_count != self._database.write_count:
            snapshot = self._snapshot = self._read()
        return snapshot

    def count_unreadable(self) -> int:
        """Return how many apps have a secret that no key opens."""
        return sum(app.keys[0] is None for app in self._current_snapshot().apps.values())

    def note_use(self, app: RegisteredApp) -> None:
        """Store when the app last signed, if that was some time ago; no call fails for it."""
        now = self._clock.now()
        if now < app.used_at + USE_SECONDS:
            return
        app.used_at = now
        moment = datetime.fromtimestamp(self._clock.wall(), UTC)
        used = sa.update(App).where(App.id == app.row.id, App.secret == app.row.secret)
        used = used.values(last_used_at=moment, **app.reseal())
        with suppress(SQLAlchemyError), self._database.write_connection() as connection:
            connection.execute(used)

    def _read(self) -> _Snapshot:
        write_count = self._database.write_count  # before: what is written meanwhile is read anew
        expires_at = self._clock.now() + MAX_AGE_SECONDS
        with self._database.read_connection() as connection:
            rows = connection.execute(sa.select(*_COLUMNS)).all()
        apps = {row.app_id: self._register(row) for row in rows}
        return _Snapshot(apps, write_count, expires_at)

    def _register(self, row: _AppRow) -> RegisteredApp:
        app = self._snapshot.apps.get(row.app_id)
        if app is not None and app.row == row:
            return app
        return RegisteredApp(row, self._secrets, self._rate)
