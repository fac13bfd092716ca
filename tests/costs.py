"""What one request costs, in figures that depend on no machine: calls of Python functions, and of the system's for sockets.

``tests/costs.json`` has them for the Python named there, a test compares; ``make costs`` writes the file anew.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

from flask import Flask

from app import create_app
from config import Settings
from gateway.masking import Secret
from models import User, migrate
from sandbox import Sandbox

FILE = Path(__file__).parent / "costs.json"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
WARM_UP_REQUESTS = 30
REQUESTS = 21
SYSTEM_CALLS = ("recv", "recv_into", "send", "sendall", "urandom", "write")
CATALOG = """\
version: 1
services:
  s:
    base_url: {url}
    allow_private: true
    methods:
      call: {{http: POST /anything, params: {{a: {{type: string}}, n: {{type: integer}}}}}}
      cached: {{http: GET /anything, params: {{a: {{type: string}}}}, cache: {{ttl: 3600}}}}
"""
Costs = dict[str, dict[str, int]]


def costs() -> Costs:
    """Return the medians by kind of request."""
    with _app() as (app, token):
        return {
            "call": _cost(app, token, "POST", "/api/v1/call/s/call", b'{"a": "hello", "n": 5}'),
            "cached": _cost(app, token, "GET", "/api/v1/call/s/cached", b"", "a=hello"),
            "health": _cost(app, token, "GET", "/healthz", b""),
        }


@contextmanager
def _app() -> Iterator[tuple[Flask, str]]:
    with tempfile.TemporaryDirectory() as folder, Sandbox() as box:
        catalog = Path(folder, "catalog.yaml")
        catalog.write_text(CATALOG.format(url=box.url))
        url = f"sqlite:///{folder}/postern.db"
        migrate.upgrade(url)
        settings = Settings(
            jwt_secret=Secret("x" * 32),
            database_url=url,
            files_dir=folder,
            catalog=str(catalog),
            catalog_copy=f"{folder}/copy.yaml",
            log_level="info",
        )
        log = TextIOWrapper(BytesIO())
        with redirect_stdout(log):
            app = create_app(settings)
        state = app.extensions["postern"]
        with state.database.write_session() as session:
            user = User(username="ann", role="user", password_hash="-")
            session.add(user)
            session.flush()
            number = user.id
        yield app, app.extensions["postern.auth"].tokens.issue(str(number), "user")[0]
        state.gateway.close()
        state.database.close()
        log.close()


def _cost(
    app: Flask, token: str, verb: str, path: str, body: bytes, query: str = ""
) -> dict[str, int]:
    ask = _request(app, token, verb, path, body, query)
    for _ in range(WARM_UP_REQUESTS):
        ask()
    counts = [_count(ask) for _ in range(REQUESTS)]
    names = ("python", *SYSTEM_CALLS)
    medians = {name: int(statistics.median(count[name] for count in counts)) for name in names}
    return {name: count for name, count in medians.items() if count}


def _request(
    app: Flask, token: str, verb: str, path: str, body: bytes, query: str
) -> Callable[[], None]:
    environ = {
        "REQUEST_METHOD": verb, "PATH_INFO": path, "QUERY_STRING": query, "SCRIPT_NAME": "", "RAW_URI": path,
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "5000", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:5000", "HTTP_ACCEPT": "*/*",
        "HTTP_ACCEPT_ENCODING": "gzip", "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
        "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }  # fmt: skip
    if body:
        environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
    statuses: list[str] = []

    def start(status: str, headers: Any, exc_info: Any = None) -> None:
        statuses.append(status)

    def ask() -> None:
        pieces = app({**environ, "wsgi.input": BytesIO(body)}, start)
        b"".join(pieces)
        close = getattr(pieces, "close", None)
        if close:
            close()
        assert statuses.pop() == "200 OK"

    return ask


def _count(ask: Callable[[], None]) -> Counter[str]:
    """Count what one request calls in this thread."""
    counts: Counter[str] = Counter()

    def profile(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            counts["python"] += 1
        elif event == "c_call" and argument.__name__ in SYSTEM_CALLS:
            counts[argument.__name__] += 1

    sys.setprofile(profile)
    try:
        ask()
    finally:
        sys.setprofile(None)
    return counts


if __name__ == "__main__":
    FILE.write_text(json.dumps({PYTHON: costs()}, indent=1) + "\n", encoding="utf-8")
