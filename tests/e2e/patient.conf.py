"""gunicorn.conf.py, with time for a Redis that shares a busy machine: only one that is gone is away."""

from pathlib import Path

exec(Path("gunicorn.conf.py").read_text(encoding="utf-8"))

from gateway.stores import redis_connection  # noqa: E402

redis_connection.OPERATION_SECONDS = 20
redis_connection.REQUEST_SECONDS = 20
redis_connection.CHECK_SECONDS = 20
