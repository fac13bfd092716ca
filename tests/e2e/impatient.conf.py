"""gunicorn.conf.py, with time limits that a test can wait for."""

from pathlib import Path

exec(Path("gunicorn.conf.py").read_text(encoding="utf-8"))

from server import connections, listener  # noqa: E402

connections.HEAD_SECONDS = 1
connections.BODY_SECONDS = 1
listener.UNREAD_SECONDS = 1
keepalive = 1
