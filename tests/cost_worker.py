"""A worker as in production that counts its own function calls, for ``tests.costs``.

Caller, vendor and worker are greenlets of one thread, so that the order of events is always the same. Only what the
worker does is counted: from the bytes of a request to the bytes of its answer, and until it waits for the next one.
"""

from __future__ import annotations

import _socket
import hashlib
import hmac
import io
import json
import os
import signal
import socket
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import gevent
from gevent.server import StreamServer
from sqlalchemy import text

from api.context import AppState
from bench.fill import FILL
from models import App, User
from server.worker import Worker

WARM_UP_REQUESTS = 30
REQUESTS = 21
PRODUCTS = 1000
APP_ID = "tool"
VENDOR_PORT = "COSTS_VENDOR_PORT"  # names of variables
RESULT_FILE = "COSTS_FILE"
SYSTEM_OBJECTS = (_socket.socket, io.FileIO)
NO_SYSTEM_CALLS = frozenset({"fspath", "fileno", "cpu_count", "fetchone", "fetchall", "fetchmany"})
Key = CodeType | str


class Meter:
    """Counts, in this thread, functions of Python and what goes to the system or to SQLite.

    ``recv in vain`` is one that raised, for nothing had come.

    :ivar strangers: greenlets whose calls are not counted.
    """

    def __init__(self) -> None:
        self.strangers: set[Any] = set()
        self._counts: Counter[Key] = Counter()

    @contextmanager
    def count(self) -> Iterator[Counter[Key]]:
        self._counts = Counter()
        sys.setprofile(self._profile)
        try:
            yield self._counts
        finally:
            sys.setprofile(None)

    def _profile(self, frame: Any, event: str, argument: Any) -> None:
        if gevent.getcurrent() in self.strangers:
            return
        if event == "call":
            self._counts[frame.f_code] += 1
        elif event == "c_call" and (name := _system_call(argument)):
            self._counts[name] += 1
        elif event == "c_exception" and (name := _system_call(argument)):
            self._counts[f"{name} in vain"] += 1


def _system_call(function: Any) -> str | None:
    name: str = function.__name__
    if name in NO_SYSTEM_CALLS:
        return None
    owner = function.__self__
    if isinstance(owner, sqlite3.Connection | sqlite3.Cursor):
        return f"SQLite {name}"
    if isinstance(owner, io.BufferedWriter):
        return "write" if name == "flush" else None
    if isinstance(owner, SYSTEM_OBJECTS) or function.__module__ in ("posix", "select", "_ssl"):
        return name
    return None


class CostWorker(Worker):
    """Measures instead of waiting for callers; writes the counts of each kind to ``RESULT_FILE``."""

    def run(self) -> None:
        gevent.spawn(self._measure)
        super().run()

    def _measure(self) -> None:
        try:
            meter = Meter()
            start_vendor(meter)
            caller = Caller(self, meter)
            counts = {kind: caller.cost(request) for kind, request in caller.kinds().items()}
            Path(os.environ[RESULT_FILE]).write_text(json.dumps(counts), encoding="utf-8")
        finally:
            os.kill(os.getppid(), signal.SIGQUIT)


def start_vendor(meter: Meter) -> None:
    """Answer calls, one as another: 1024 bytes under /bytes, else a little JSON."""

    def answer(sock: Any, address: Any) -> None:
        meter.strangers.add(gevent.getcurrent())
        stream = sock.makefile("rb")
        while line := stream.readline():
            length = 0
            while header := stream.readline().strip():
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            stream.read(length)
            kind, body = b"application/json", b'{"json": {"a": "hello", "n": 5}}'
            if b" /bytes" in line:
                kind, body = b"application/octet-stream", b"x" * 1024
            sock.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
                % (kind, len(body), body)
            )

    StreamServer(("127.0.0.1", int(os.environ[VENDOR_PORT])), answer).start()


class Caller:
    """Asks the worker over one connection, as a user and as an app."""

    def __init__(self, worker: CostWorker, meter: Meter) -> None:
        self._worker = worker
        self._meter = meter
        meter.strangers.add(gevent.getcurrent())
        state = AppState.of(worker.wsgi)
        auth = worker.wsgi.extensions["postern.auth"]
        secret = auth.app_secrets.make()
        self._secret: str = secret.reveal()
        with state.database.write_session() as session:
            user = User(username="ann", role="user", password_hash="-")
            sealed = auth.app_secrets.seal(secret)
            session.add_all([user, App(app_id=APP_ID, secret=sealed, allow=["s.*"])])
            session.execute(text(FILL["sqlite"]), {"rows": PRODUCTS})
            session.flush()
            number = user.id
        token = auth.tokens.issue(str(number), "user")[0]
        self._bearer = f"Authorization: Bearer {token}"
        self._sock = socket.create_connection(worker.sockets[0].getsockname())
        self._number = 0

    def kinds(self) -> dict[str, Callable[[], bytes]]:
        """Return by kind what makes the bytes of the next request of it."""
        path = "/api/v1/call/s/call"
        body = {"a": "hello", "n": 5}
        part = {"service": "s", "method": "call", "params": body}
        parts = {"calls": [{"id": str(number), **part} for number in range(10)]}
        products = "/api/v1/products"
        return {
            "call": lambda: self._request("POST", path, body),
            "signed": lambda: self._request("POST", path, body, signed=True),
            "cached": lambda: self._request("GET", "/api/v1/call/s/cached?a=hello"),
            "batch": lambda: self._request("POST", "/api/v1/batch", parts),
            "proxy_1k": lambda: self._request("GET", "/api/v1/proxy/s/bytes/1024"),
            "list_50": lambda: self._request("GET", f"{products}?limit=50&skip={self._number}"),
            "get_one": lambda: self._request("GET", f"{products}/{self._number % PRODUCTS + 1}"),
            "create": lambda: self._request("POST", products, {"name": f"New {self._number}",
                "price": "12.50", "stock": 20, "category": "kitchen"}),
            "health": lambda: self._request("GET", "/healthz"),
        }  # fmt: skip

    def cost(self, request: Callable[[], bytes]) -> dict[str, int]:
        """Return how often a request calls each function and the system, by name.

        The least of several: on a busy machine a request takes as long as the worker's other tasks have pauses.
        """
        for _ in range(WARM_UP_REQUESTS):
            self._ask(request())
        requests = [request() for _ in range(REQUESTS)]
        counts = [self._ask(data) for data in requests]
        keys: set[Key] = set().union(*counts)
        least = {key: min(count[key] for count in counts) for key in keys}
        total = min(map(_python_calls, counts))
        named: Counter[str] = Counter({"python": total})
        for key, count in least.items():
            named[_name(key) if isinstance(key, CodeType) else key] += count
        return {name: count for name, count in named.items() if count}

    def _ask(self, data: bytes) -> Counter[Key]:
        """Send a request; return what was called until its answer was whole and the worker waits for the next."""
        with self._meter.count() as counts:
            self._sock.sendall(data)
            answer = b""
            while not _is_whole(answer):
                piece = self._sock.recv(65536)
                assert piece, answer
                answer += piece
            while not self._worker.connections.idle:
                gevent.sleep(0)
            gevent.sleep(0)
        assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 201 ")), answer
        return counts

    def _request(self, verb: str, target: str, body: Any = None, *, signed: bool = False) -> bytes:
        self._number += 1
        content = json.dumps(body).encode() if body else b""
        lines = [f"{verb} {target} HTTP/1.1", "Host: 127.0.0.1:5000", "Accept: */*"]
        lines += ["Accept-Encoding: gzip"]
        lines += self._proof(verb, target, content) if signed else [self._bearer]
        if content:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        return "\r\n".join([*lines, "", ""]).encode() + content

    def _proof(self, verb: str, target: str, body: bytes) -> list[str]:
        """Return the headers of an app, as docs/calling.md has it."""
        timestamp, nonce = str(int(time.time())), f"nonce-{self._number:010}"
        signed = "\n".join((verb, target, timestamp, nonce, hashlib.sha256(body).hexdigest()))
        proof = hmac.new(self._secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        return [f"X-App-Id: {APP_ID}", f"X-Timestamp: {timestamp}", f"X-Nonce: {nonce}", f"X-Signature: {proof}"]  # fmt: skip


def _is_whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return body.endswith(b"\r\n0\r\n\r\n")


def _python_calls(counts: Counter[Key]) -> int:
    return sum(count for key, count in counts.items() if isinstance(key, CodeType))


def _name(code: CodeType) -> str:
    file = code.co_filename.rpartition("site-packages/")[2].removeprefix(f"{Path.cwd()}/")
    return f"{file}:{code.co_qualname}"
