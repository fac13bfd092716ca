"""The database's engine and transactions, and the base class of every table."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg.errors import UniqueViolation
from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from gateway.clock import SystemClock
from gateway.system import disk_problem
from models import postgresql
from models.columns import UtcDateTime
from models.row_counts import RowCounts

POOL_SIZE = 10
POOL_TIMEOUT_SECONDS = 3  # that a request waits for a connection
LOCK_WAIT_SECONDS = 5.0  # that a writer waits for another, on SQLite
LOCK_POLL_SECONDS = 0.01
BUSY_TIMEOUT_MS = (
    20  # SQLite's own wait holds up every greenlet; ours, which comes after it, yields
)
_clock = SystemClock()
_PRAGMAS = (
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
)
_SQLITE_DUPLICATE = re.compile(r"UNIQUE constraint failed: \w+\.(\w+)")


class CommitUnknown(SQLAlchemyError):
    """COMMIT was sent and never answered: the transaction may have been committed or not."""


class Base(DeclarativeBase):
    """Base of all tables; constraints have names that a migration can find again."""

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


def duplicate_column(error: IntegrityError) -> str | None:
    """Return the unique column whose value another row already has; None for any other error."""
    if match := _SQLITE_DUPLICATE.fullmatch(str(error.orig)):
        return match[1]
    if not isinstance(error.orig, UniqueViolation):
        return None
    details = error.orig.diag
    return (details.constraint_name or "").removeprefix(f"uq_{details.table_name}_") or None


class Database:
    """One database and its bounded pool of connections.

    No transaction may stay open across anything that waits: a password hash, a downstream call.

    :param pool_size: maximum number of connections.
    :param timeouts: end statements that take more than a few seconds; a migration must not.
    """

    def __init__(self, url: str, pool_size: int = POOL_SIZE, *, timeouts: bool = True) -> None:
        self.engine = _create_engine(url, pool_size, timeouts)
        self.row_counts = RowCounts()
        self.write_count = 0
        self._write_engine = self.engine.execution_options(begin="IMMEDIATE")
        self._write_sessions = sessionmaker(
            self._write_engine, class_=_LockingSession, expire_on_commit=False
        )
        self._read_sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def write_session(self) -> Iterator[Session]:
        """Run one transaction that may write: committed at the end, rolled back on an exception.

        On SQLite it takes the write lock at once, because a lock requested half-way through may be
        refused without a wait; on PostgreSQL ``session.get`` locks the row. Either way a row that
        was read stays as it is until the end.

        :raises CommitUnknown: it may have been committed or not; after any other exception it was
            not.
        """
        try:
            with self._write_sessions() as session:
                yield session
                session.flush()
                with _commit_errors():
                    session.commit()
        finally:
            self._end_write()

    @contextmanager
    def write_connection(self) -> Iterator[Connection]:
        """Do the same for statements on columns: a session would cost as much as one of them."""
        try:
            with self._write_engine.connect() as connection:
                yield connection
                with _commit_errors():
                    connection.commit()
        finally:
            self._end_write()

    def _end_write(self) -> None:
        self.write_count += 1
        self.row_counts.clear()

    @contextmanager
    def read_session(self) -> Iterator[Session]:
        """Run one transaction that only reads; on SQLite it waits for no writer."""
        with self._read_sessions() as session:
            yield session

    @contextmanager
    def read_connection(self) -> Iterator[Connection]:
        """Do the same for statements on columns."""
        with self.engine.connect() as connection:
            yield connection

    def write_problem(self) -> str:
        """Return why the database takes no writes, found without writing; empty if it does.

        :raises SQLAlchemyError: the database does not answer.
        """
        url = self.engine.url
        if url.get_backend_name() == "postgresql":
            with self.read_connection() as connection:
                setting = connection.scalar(select(func.current_setting("transaction_read_only")))
            return "It is read-only." if setting == "on" else ""
        if not url.database or url.database == ":memory:":
            return ""
        file = Path(url.database)
        return disk_problem(file) or disk_problem(file.parent)

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


@contextmanager
def _commit_errors() -> Iterator[None]:
    """Translate the errors of a COMMIT; wraps nothing else.

    :raises CommitUnknown: the database did not answer it.
    """
    try:
        yield
    except DBAPIError as error:
        # SQLite undoes a COMMIT that fails.
        if isinstance(error.orig, sqlite3.Error) or postgresql.is_refusal(error.orig):
            raise
        raise CommitUnknown from error


class _LockingSession(Session):
    """Locks every row that ``get`` reads."""

    def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        # FOR NO KEY UPDATE: writers wait for each other; an insert that only refers to the row (a
        # foreign key) does not.
        lock = {"key_share": True, "of": entity}
        return super().get(entity, ident, **{"with_for_update": lock, **options})


def _create_engine(url: str, pool_size: int, timeouts: bool) -> Engine:
    parsed = make_url(url)
    pool: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": POOL_TIMEOUT_SECONDS,
    }
    if parsed.get_backend_name() == "postgresql":
        return postgresql.make_engine(parsed, timeouts, **pool)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, **pool)
    event.listen(engine, "connect", _configure_connection)
    event.listen(engine, "begin", _begin)
    return engine


def _configure_connection(connection: Any, record: object) -> None:
    connection.isolation_level = None  # sqlite3 would begin by itself, too late and never IMMEDIATE
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    begin = f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}"
    # The cursor costs a tenth of exec_driver_sql; an error that stays is raised by the latter,
    # below.
    with suppress(sqlite3.OperationalError):
        connection.connection.cursor().execute(begin)
        return
    deadline = _clock.now() + LOCK_WAIT_SECONDS
    while True:
        try:
            connection.exec_driver_sql(begin)
            return
        except OperationalError as error:
            if "locked" not in str(error.orig) or _clock.now() > deadline:
                raise
            _clock.sleep(LOCK_POLL_SECONDS)
