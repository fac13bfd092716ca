"""gunicorn.conf.py, with time limits that a test can wait for, and a process that stands still for seconds keeps."""

from pathlib import Path

exec(Path("gunicorn.conf.py").read_text(encoding="utf-8"))

from server import connections, listener  # noqa: E402

connections.HEAD_SECONDS = 4
connections.BODY_SECONDS = 4
connections.LINGER_SILENCE_SECONDS = 30  # no test waits for it
listener.UNREAD_SECONDS = 4
keepalive = 4
