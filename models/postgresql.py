"""PostgreSQL by psycopg 3.

A server that is down, frozen or slow raises an error within seconds; nothing hangs.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select
from sqlalchemy.orm import Session

CONNECT_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT_SECONDS = 4  # enforced by the server
RESPONSE_TIMEOUT_SECONDS = 5  # enforced by us: then the server itself counts as down
LOCK_TIMEOUT_SECONDS = 3  # that a statement waits for a row or table that another transaction holds
IDLE_TRANSACTION_TIMEOUT_SECONDS = 60
# Prefixes of SQLSTATEs that say nothing about the statement: the connection or the server ended.
CONNECTION_SQLSTATES = ("08", "57P", "40003")


class TimeoutConnection(psycopg.Connection[Any]):
    """A connection that does not wait for a server that has stopped answering.

    The server enforces ``statement_timeout``, which is of no use when the server hangs or the
    network drops packets.
    """

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(
                gen, interval, RESPONSE_TIMEOUT_SECONDS if timeout is None else timeout
            )
        except errors._WaitTimeout as error:
            self.pgconn.finish()  # the outcome of the statement is unknown
            raise psycopg.OperationalError("the server has stopped answering") from error


def make_engine(url: URL, timeouts: bool, **pool: Any) -> Engine:
    """Return an engine whose pool replaces connections of a server that restarted.

    Parameters in the URL override ours.

    :param timeouts: limit how long a statement may take.
    """
    milliseconds = {
        "statement_timeout": STATEMENT_TIMEOUT_SECONDS * 1000,
        "lock_timeout": LOCK_TIMEOUT_SECONDS * 1000,
        "idle_in_transaction_session_timeout": IDLE_TRANSACTION_TIMEOUT_SECONDS * 1000,
    }
    if not timeouts:
        milliseconds = dict.fromkeys(milliseconds, 0)
    defaults: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": "postern",
        "keepalives_idle": 30,
        "options": " ".join(f"-c {name}={value}" for name, value in milliseconds.items()),
    }
    connect_args = {name: value for name, value in defaults.items() if name not in url.query}
    engine = create_engine(url, connect_args=connect_args, pool_pre_ping=True, **pool)
    if timeouts:
        event.listen(engine, "do_connect", _connect)
    return engine


def _connect(dialect: object, record: object, args: Any, kwargs: Any) -> TimeoutConnection:
    return TimeoutConnection.connect(*args, **kwargs)


def is_refusal(error: BaseException | None) -> bool:
    """Whether the server refused the statement, so that the transaction is rolled back.

    A server that shuts down may report that after it has committed.
    """
    state = getattr(error, "sqlstate", None)
    return state is not None and not state.startswith(CONNECTION_SQLSTATES)


def lock_name(session: Session, name: str) -> None:
    """Wait for an advisory lock and hold it until our transaction ends.

    SQLite has one writer at a time anyway, and needs none.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def try_lock_name(session: Session | Connection, name: str) -> bool:
    """Take such a lock without waiting; false if another transaction holds it."""
    connection = session.get_bind() if isinstance(session, Session) else session
    if connection.dialect.name != "postgresql":
        return True
    lock = select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, 0)))
    return bool(session.execute(lock).scalar())
