"""PostgreSQL by psycopg 3: a server that is away, frozen or slow is an error within seconds and never a hang."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select
from sqlalchemy.orm import Session

CONNECT_TIMEOUT = 3  # seconds
STATEMENT_TIMEOUT = 4  # seconds; the server ends what takes longer
ANSWER_TIMEOUT = 5  # seconds; then the server itself is taken for gone
LOCK_TIMEOUT = 3  # seconds a statement waits for another's row or table
GOING_AWAY = ("08", "57P", "40003")  # SQLSTATEs that say nothing about the statement


class Impatient(psycopg.Connection[Any]):
    """A connection that does not wait for a server that has stopped answering.

    ``statement_timeout`` is kept by the server, so it is of no use when the server hangs or the network swallows all.
    """

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, ANSWER_TIMEOUT if timeout is None else timeout)
        except errors._WaitTimeout as error:
            self.pgconn.finish()  # what is under way in it is unknown
            raise psycopg.OperationalError("the server has stopped answering") from error


def engine(url: URL, patient: bool, **pool: Any) -> Engine:
    """A pool that finds out by itself that the server was away and is back. What the URL says, wins.

    :param patient: without limits on a statement.
    """
    options = {
        "statement_timeout": 0 if patient else STATEMENT_TIMEOUT * 1000,
        "lock_timeout": LOCK_TIMEOUT * 1000 * (not patient),
        "idle_in_transaction_session_timeout": 60_000 * (not patient),
    }
    given: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT,
        "application_name": "postern",
        "keepalives_idle": 30,
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
    }
    wanted = {name: value for name, value in given.items() if name not in url.query}
    made = create_engine(url, connect_args=wanted, pool_pre_ping=True, **pool)
    if not patient:
        event.listen(
            made,
            "do_connect",
            lambda _dialect, _record, args, named: Impatient.connect(*args, **named),
        )
    return made


def is_refusal(error: BaseException | None) -> bool:
    """Whether the server itself said no, so that the transaction is undone; one that goes away may say so too late."""
    state = getattr(error, "sqlstate", None)
    return state is not None and not state.startswith(GOING_AWAY)


def alone(session: Session, name: str) -> None:
    """Wait until no other transaction holds this name, and hold it to the end of ours. On SQLite writers are alone."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def try_alone(session: Session | Connection, name: str) -> bool:
    """Hold this name to the end of our transaction, unless another one does. On SQLite writers are alone."""
    dialect = session.get_bind().dialect if isinstance(session, Session) else session.dialect
    if dialect.name != "postgresql":
        return True
    taken = select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, 0)))
    return bool(session.execute(taken).scalar())
