"""The database's engine and transactions, and the base class of every table."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from gateway.system import disk_problem
from models.columns import UtcDateTime
from models.database import sqlite
from models.database.row_counts import RowCounts

POOL_SIZE = 10
POOL_TIMEOUT_SECONDS = 3  # that a request waits for a connection
# Prefixes of SQLSTATEs that say nothing about the statement: the connection or the server ended.
CONNECTION_SQLSTATES = ("08", "57P", "40003")
UNIQUE_VIOLATION = "23505"  # PostgreSQL's SQLSTATE
_SQLITE_DUPLICATE = re.compile(r"UNIQUE constraint failed: \w+\.(\w+)")

Transaction = Session | sa.Connection  # a connection runs statements on columns, for half the cost


class CommitUnknown(SQLAlchemyError):
    """COMMIT was sent and never answered: the transaction may have been committed or not."""


class Base(DeclarativeBase):
    """Base of all tables; constraints have names that a migration can find again."""

    metadata = sa.MetaData(
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
    if getattr(error.orig, "sqlstate", None) != UNIQUE_VIOLATION:
        return None
    details: Any = error.orig.diag  # type: ignore[union-attr]
    return (details.constraint_name or "").removeprefix(f"uq_{details.table_name}_") or None


class Database:
    """One database and its bounded pool of connections.

    No transaction may stay open across anything that waits: a password hash, a downstream call.

    :param timeouts: end statements that take more than a few seconds; a migration must not.
    :ivar write_engine: on SQLite its transactions take the write lock as they begin.
    """

    def __init__(self, url: str, pool_size: int = POOL_SIZE, *, timeouts: bool = True) -> None:
        self.engine, self.write_engine = _create_engines(url, pool_size, timeouts)
        self.row_counts = RowCounts()
        self.write_count = 0
        self._write_sessions = sessionmaker(
            self.write_engine, class_=_LockingSession, expire_on_commit=False
        )
        self._read_sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def write_session(self) -> Iterator[Session]:
        """Run one transaction that may write: committed at the end, rolled back on an exception.

        On SQLite it takes the write lock at once, for a later request may be refused without a
        wait; on PostgreSQL ``session.get`` locks the row. So a row that was read stays as it is.

        :raises CommitUnknown: it may have been committed; after any other exception it was not.
        """
        try:
            with self._write_sessions() as session:
                yield session
                session.flush()
                _commit(session)
        finally:
            self._end_write()

    @contextmanager
    def write_connection(self) -> Iterator[sa.Connection]:
        """Do the same for statements on columns: a session would cost as much as one of them."""
        try:
            with self.write_engine.connect() as connection:
                yield connection
                _commit(connection)
        finally:
            self._end_write()

    def _end_write(self) -> None:
        self.write_count += 1
        self.row_counts.clear()

    def read_session(self) -> Session:
        """Return a transaction that only reads, for a ``with``; SQLite's waits for no writer."""
        return self._read_sessions()

    def read_connection(self) -> sa.Connection:
        """Return the same for statements on columns."""
        return self.engine.connect()

    def write_problem(self) -> str:
        """Return why the database takes no writes, found without writing; empty if it does.

        :raises SQLAlchemyError: the database does not answer.
        """
        url = self.engine.url
        if url.get_backend_name() == "postgresql":
            with self.read_connection() as connection:
                query = sa.select(sa.func.current_setting("transaction_read_only"))
                setting = connection.scalar(query)
            return "It is read-only." if setting == "on" else ""
        if not url.database or url.database == ":memory:":
            return ""
        file = Path(url.database)
        return disk_problem(file) or disk_problem(file.parent)

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _commit(transaction: Transaction) -> None:
    """:raises CommitUnknown: the database did not answer it."""
    try:
        transaction.commit()
    except DBAPIError as error:
        # SQLite undoes a COMMIT that fails.
        if isinstance(error.orig, sqlite3.Error) or _is_refusal(error.orig):
            raise
        raise CommitUnknown from error


def _is_refusal(error: BaseException | None) -> bool:
    """Return whether the server rolled it back; one that shuts down may have committed before."""
    state = getattr(error, "sqlstate", None)
    return state is not None and not state.startswith(CONNECTION_SQLSTATES)


class _LockingSession(Session):
    """Locks every row that ``get`` reads."""

    def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        # FOR NO KEY UPDATE: writers wait for each other; an insert that only refers to the row (a
        # foreign key) does not.
        lock = {"key_share": True, "of": entity}
        return super().get(entity, ident, **{"with_for_update": lock, **options})


def _create_engines(url: str, pool_size: int, timeouts: bool) -> tuple[sa.Engine, sa.Engine]:
    """Return an engine to read with and one to write with."""
    parsed = sa.make_url(url)
    pool: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": POOL_TIMEOUT_SECONDS,
    }
    if parsed.get_backend_name() == "postgresql":
        from models.database import postgresql

        engine = postgresql.make_engine(parsed, timeouts, **pool)
        return engine, engine
    return sqlite.make_engines(parsed, **pool)
