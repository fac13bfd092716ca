"""The apps that may sign, kept in memory: a signed request asks the database for none of them.

All are read at once, so that finding no such app takes as long as finding one.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from gateway.clock import Clock
from models import App, Database

MAX_AGE_SECONDS = (
    1.0  # after which another process's change counts; one of this process counts at once
)


@dataclass(frozen=True, slots=True)
class RegisteredApp:
    """One row, as of a moment ago; its secrets are sealed."""

    app_id: str
    secret: str
    previous_secret: str | None
    allow: tuple[str, ...]
    rate: str | None
    disabled: bool


@dataclass(frozen=True, slots=True)
class _Snapshot:
    apps: dict[str, RegisteredApp]
    write_count: int
    expires_at: float


class AppRegistry:
    """Safe under threads: a snapshot is replaced, never changed."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._snapshot = _Snapshot({}, -1, 0.0)

    def get(self, app_id: str) -> RegisteredApp | None:
        """Return the app of this id.

        :raises SQLAlchemyError: the database does not answer.
        """
        snapshot = self._snapshot
        is_stale = self._clock.now() >= snapshot.expires_at
        if is_stale or snapshot.write_count != self._database.write_count:
            snapshot = self._snapshot = self._read()
        return snapshot.apps.get(app_id)

    def _read(self) -> _Snapshot:
        write_count = self._database.write_count  # before: what is written meanwhile is read anew
        expires_at = self._clock.now() + MAX_AGE_SECONDS
        with self._database.read_connection() as connection:
            rows = connection.execute(
                select(
                    App.app_id, App.secret, App.previous_secret, App.allow, App.rate, App.disabled
                )
            ).all()
        apps = {
            row.app_id: RegisteredApp(
                row.app_id,
                row.secret,
                row.previous_secret,
                tuple(row.allow),
                row.rate,
                row.disabled,
            )
            for row in rows
        }
        return _Snapshot(apps, write_count, expires_at)
