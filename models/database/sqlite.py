"""SQLite by sqlite3: write-ahead log, and transactions that begin when and as they should."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from gateway.clock import SystemClock

LOCK_WAIT_SECONDS = 5.0  # that a writer waits for another
LOCK_POLL_SECONDS = 0.01
#: SQLite's own wait, which holds up every greenlet; ours, which comes after it, yields.
BUSY_TIMEOUT_MS = 20
_PRAGMAS = (
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
)
_clock = SystemClock()


class Dialect(SQLiteDialect_pysqlite):
    """Begins every transaction: sqlite3 would begin it too late, and never IMMEDIATE.

    An engine's ``begin`` event could do the same, but an engine with an event costs every
    transaction a fifth more.

    :param begin: DEFERRED, or IMMEDIATE to take the write lock.
    """

    supports_statement_cache = True

    def __init__(self, begin: str = "DEFERRED", **options: Any) -> None:
        super().__init__(**options)
        self._begin = f"BEGIN {begin}"

    def do_begin(self, dbapi_connection: Any) -> None:
        deadline = None
        while True:
            try:
                dbapi_connection.cursor().execute(self._begin)
                return
            except sqlite3.OperationalError as error:
                now = _clock.now()
                deadline = deadline or now + LOCK_WAIT_SECONDS
                if "locked" not in str(error) or now > deadline:
                    raise
            _clock.sleep(LOCK_POLL_SECONDS)


registry.register("sqlite.postern", __name__, Dialect.__name__)


def make_engines(url: sa.URL, **pool: Any) -> tuple[sa.Engine, sa.Engine]:
    """Return an engine to read with, and one to write with, which share a pool."""
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    url = url.set(drivername="sqlite+postern")
    reader = sa.create_engine(url, **pool)
    sa.event.listen(reader, "connect", _configure)
    return reader, sa.create_engine(url, pool=reader.pool, begin="IMMEDIATE")


def _configure(connection: Any, record: object) -> None:
    connection.isolation_level = None  # sqlite3 begins nothing by itself
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
