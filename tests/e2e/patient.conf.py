"""gunicorn.conf.py, with time for a Redis and a PostgreSQL that share a busy machine: only one that is gone is away."""

from pathlib import Path

exec(Path("gunicorn.conf.py").read_text(encoding="utf-8"))

from gateway.stores import redis_connection  # noqa: E402
from models.database import postgresql  # noqa: E402

redis_connection.OPERATION_SECONDS = 20
redis_connection.REQUEST_SECONDS = 20
redis_connection.CHECK_SECONDS = 20
postgresql.RESPONSE_TIMEOUT_SECONDS = 30
postgresql.STATEMENT_TIMEOUT_SECONDS = 25
postgresql.CONNECT_TIMEOUT_SECONDS = 20
