"""gunicorn.conf.py, with time for who shares a busy machine, on which processes stand still for seconds.

Only a Redis, a PostgreSQL, a Consul or a collector that is gone is away; a caller that has just been answered may be about to ask again.
"""

import os
from pathlib import Path

exec(Path("gunicorn.conf.py").read_text(encoding="utf-8"))

import models.database  # noqa: E402
from gateway.discovery import registration  # noqa: E402
from gateway.http.discovered import instances  # noqa: E402
from gateway.stores import redis_connection  # noqa: E402
from models.database import postgresql, sqlite  # noqa: E402
from server import connections  # noqa: E402

redis_connection.OPERATION_SECONDS = 20
redis_connection.REQUEST_SECONDS = 20
redis_connection.CHECK_SECONDS = 20
models.database.POOL_TIMEOUT_SECONDS = 20
postgresql.RESPONSE_TIMEOUT_SECONDS = 30
postgresql.STATEMENT_TIMEOUT_SECONDS = 25
postgresql.LOCK_TIMEOUT_SECONDS = 20
postgresql.CONNECT_TIMEOUT_SECONDS = 20
sqlite.LOCK_WAIT_SECONDS = 20
connections.FRESH_SECONDS = 5
instances.FIRST_LIST_SECONDS = 20
registration.LEAVE_SECONDS = 20
if "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ:
    from gateway.telemetry import spans

    spans.REQUEST_TIMEOUT_SECONDS = 20
