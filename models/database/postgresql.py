"""PostgreSQL by psycopg 3. Imported only where DATABASE_URL names it.

A server that is down, frozen or slow raises an error within seconds; nothing hangs.
"""

from __future__ import annotations

from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import errors

CONNECT_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT_SECONDS = 4  # enforced by the server
RESPONSE_TIMEOUT_SECONDS = 5  # enforced by us: then the server itself counts as down
LOCK_TIMEOUT_SECONDS = 3  # that a statement waits for a row or table that another transaction holds
IDLE_TRANSACTION_TIMEOUT_SECONDS = 60
#: What psycopg raises, without a SQLSTATE, where what came is not PostgreSQL's protocol.
_PROTOCOL_ERRORS = (psycopg.DatabaseError, psycopg.InternalError)


class TimeoutConnection(psycopg.Connection[Any]):
    """A connection that does not wait for a server that hangs, or a network that drops packets:
    ``statement_timeout`` is the server's to enforce.
    """

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(
                gen, interval, RESPONSE_TIMEOUT_SECONDS if timeout is None else timeout
            )
        except errors._WaitTimeout as error:
            self.pgconn.finish()  # the outcome of the statement is unknown
            raise psycopg.OperationalError("the server has stopped answering") from error
        except psycopg.DatabaseError as error:
            if error.sqlstate is not None or type(error) not in _PROTOCOL_ERRORS:
                raise
            self.pgconn.finish()  # the outcome of the statement is unknown
            raise psycopg.OperationalError(str(error)) from error


def make_engine(url: sa.URL, timeouts: bool, **pool: Any) -> sa.Engine:
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
    engine = sa.create_engine(url, connect_args=connect_args, pool_pre_ping=True, **pool)
    if timeouts:
        sa.event.listen(engine, "do_connect", _connect)
    return engine


def _connect(dialect: object, record: object, args: Any, kwargs: Any) -> TimeoutConnection:
    return TimeoutConnection.connect(*args, **kwargs)
