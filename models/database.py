"""The database: where it is, how a transaction begins and ends, and what every table shares."""

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
from models.row_counts import Totals

POOL_SIZE = 10
POOL_TIMEOUT = 3  # seconds a request waits for a connection that others hold
WAIT = 5.0  # seconds a writer waits for another
# Milliseconds that SQLite itself waits, which holds up every greenlet; the rest of the wait is ours, and yields.
BUSY_TIMEOUT = 20
_clock = SystemClock()
_PRAGMAS = (
    f"busy_timeout={BUSY_TIMEOUT}",
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
)


_TAKEN = re.compile(r"UNIQUE constraint failed: \w+\.(\w+)")  # SQLite's words


class CommitUnknown(SQLAlchemyError):
    """COMMIT was sent and its answer never came: the transaction was kept, or it was not."""


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


def taken_column(error: IntegrityError) -> str | None:
    """Return the column of which another row has the value already, or None where something else is wrong."""
    if unique := _TAKEN.fullmatch(str(error.orig)):
        return unique[1]
    if not isinstance(error.orig, UniqueViolation):
        return None
    details = error.orig.diag
    return (details.constraint_name or "").removeprefix(f"uq_{details.table_name}_") or None


class Database:
    """One database and its bounded pool of connections.

    No transaction may stay open across anything that waits: a password hash, a downstream call.

    :param pool_size: connections at most.
    :param patient: wait for as long as a statement takes, as a migration must; otherwise a few seconds.
    """

    def __init__(self, url: str, pool_size: int = POOL_SIZE, *, patient: bool = False) -> None:
        self.engine = _engine(url, pool_size, patient)
        self.totals = Totals()
        self._writes = self.engine.execution_options(begin="IMMEDIATE")
        self._sessions = sessionmaker(self._writes, class_=_Writer, expire_on_commit=False)
        self._readers = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction that may write: committed at the end, rolled back on an exception.

        On SQLite it takes the write lock at once, as a lock asked for half-way through may be refused unwaited;
        on PostgreSQL ``session.get`` locks the row. Either way a row got in it stays as it is until its end.

        :raises CommitUnknown: whether it was committed cannot be known; after any other exception it was not.
        """
        try:
            with self._sessions() as session:
                yield session
                session.flush()
                with _answered():
                    session.commit()
        finally:
            self.totals.forget()

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """The same for statements on columns, less what a session costs, which is as much as one of them."""
        try:
            with self._writes.connect() as connection:
                yield connection
                with _answered():
                    connection.commit()
        finally:
            self.totals.forget()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One transaction that only reads; on SQLite it waits for no writer."""
        with self._readers() as session:
            yield session

    @contextmanager
    def asking(self) -> Iterator[Connection]:
        """The same for statements on columns."""
        with self.engine.connect() as connection:
            yield connection

    def write_problem(self) -> str:
        """Why it takes no writes, as far as that shows without one; empty when it does.

        :raises SQLAlchemyError: it does not answer.
        """
        url = self.engine.url
        if url.get_backend_name() == "postgresql":
            with self.asking() as connection:
                read_only = (
                    connection.scalar(select(func.current_setting("transaction_read_only"))) == "on"
                )
            return "It is read-only." if read_only else ""
        if not url.database or url.database == ":memory:":
            return ""
        file = Path(url.database)
        return disk_problem(file) or disk_problem(file.parent)

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


@contextmanager
def _answered() -> Iterator[None]:
    """Around a COMMIT and nothing else."""
    try:
        yield
    except DBAPIError as error:
        if postgresql.is_refusal(error.orig) or isinstance(
            error.orig, sqlite3.Error
        ):  # that one undoes what it fails
            raise
        raise CommitUnknown from error


class _Writer(Session):
    def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        # FOR NO KEY UPDATE: two that write wait for each other, one that only points here (a foreign key) for none.
        return super().get(
            entity, ident, **{"with_for_update": {"key_share": True, "of": entity}, **options}
        )


def _engine(url: str, pool_size: int, patient: bool) -> Engine:
    parsed = make_url(url)
    pool: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": POOL_TIMEOUT}
    if parsed.get_backend_name() == "postgresql":
        return postgresql.engine(parsed, patient, **pool)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, **pool)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, record: object) -> None:
    connection.isolation_level = None  # sqlite3 would begin by itself, too late and never IMMEDIATE
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    begin = f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}"
    with suppress(
        sqlite3.OperationalError
    ):  # what is told below, if it is there to stay; asked so it costs a tenth
        connection.connection.cursor().execute(begin)
        return
    until = _clock.now() + WAIT
    while True:
        try:
            connection.exec_driver_sql(begin)
            return
        except OperationalError as error:
            if "locked" not in str(error.orig) or _clock.now() > until:
                raise
            _clock.sleep(0.01)
