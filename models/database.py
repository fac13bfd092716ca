"""The database: where it is, how a transaction begins and ends, and what every table shares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    TypeDecorator,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from gateway.clock import SystemClock

WAIT = 5.0  # seconds a writer waits for another
# Milliseconds that SQLite itself waits, which holds up every greenlet; the rest of the wait is ours, and yields.
BUSY_TIMEOUT = 20
_clock = SystemClock()
_PRAGMAS = (f"busy_timeout={BUSY_TIMEOUT}", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON")


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: timezone-aware in and out, on databases that forget the timezone (SQLite) too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a timezone is not an instant")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))


class Base(DeclarativeBase):
    """Constraints have names that a migration can find again."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime()}  # noqa: RUF012 - how SQLAlchemy spells it


class Database:
    """One database and its bounded pool of connections.

    No transaction may stay open across anything that waits: a password hash, a downstream call.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._sessions = sessionmaker(self.engine.execution_options(begin="IMMEDIATE"), expire_on_commit=False)
        self._readers = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction that may write: committed at the end, rolled back on an exception.

        On SQLite it takes the write lock at once, as a lock asked for half-way through may be refused unwaited.
        """
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One transaction that only reads; on SQLite it waits for no writer."""
        with self._readers() as session:
            yield session

    def ping(self) -> None:
        """Raise SQLAlchemyError if the database does not answer."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_size=5, max_overflow=5, pool_timeout=5, pool_pre_ping=True)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, pool_size=5, max_overflow=5, pool_timeout=5)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, record: object) -> None:
    connection.isolation_level = None  # sqlite3 would begin by itself, too late and never IMMEDIATE
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    begin = f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}"
    until = _clock.now() + WAIT
    while True:
        try:
            connection.exec_driver_sql(begin)
            return
        except OperationalError as error:
            if "locked" not in str(error.orig) or _clock.now() > until:
                raise
            _clock.sleep(0.01)
