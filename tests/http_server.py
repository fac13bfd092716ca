"""The frame of the small HTTP servers that play vendors in tests."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, Self

from tests.ports import free_port

STALL_SECONDS = 60.0  # at most


@dataclass(frozen=True)
class Received:
    """One request. Header names are in lower case; ``target`` is path and query as they were sent."""

    verb: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class HttpServer(ABC):
    """Serves inside a ``with``, on a loopback port of its own; ``url`` says where."""

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), _handler_for(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @abstractmethod
    def answer(self, request: Received) -> Answer:
        """Answer one request; several may be answered at once."""


class StalledServer(HttpServer):
    """Answers nobody while ``free`` is not set."""

    def __init__(self) -> None:
        self.request_count = 0
        self.free = threading.Event()

    def answer(self, request: Received) -> Answer:
        self.request_count += 1
        self.free.wait(STALL_SECONDS)
        return Answer(200, b"{}", (("Content-Type", "application/json"),))

    def __exit__(self, *_: object) -> None:
        self.free.set()
        super().__exit__()


def _handler_for(server: HttpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = _read_body(self.rfile, headers)
            answer = server.answer(Received(self.command, self.path, headers, body))
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_PUT = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _read_body(file: BinaryIO, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return file.read(int(headers.get("content-length", 0)))
    body = b""
    while size := int(file.readline(), 16):
        body += file.read(size)
        file.readline()
    file.readline()
    return body
