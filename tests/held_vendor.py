"""A vendor that holds its answer until it is told to give it; and how the sandbox does the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

from sandbox import Reply, Request, Sandbox
from tests.ports import free_port

#: In which a test that failed lets it go.
MAX_HOLD_SECONDS = 120


@contextmanager
def held(box: Sandbox, path: str) -> Iterator[threading.Event]:
    """Have the sandbox answer requests of this path once the event is set, at the block's end at the latest."""
    release = threading.Event()
    handle = box._handle

    def wait_and_handle(request: Request) -> Reply:
        if request.path == path:
            release.wait(MAX_HOLD_SECONDS)
        return handle(request)

    with patch.object(box, "_handle", wait_and_handle):
        try:
            yield release
        finally:
            release.set()


class HeldVendor:
    """Answers GET once ``release`` is set.

    :ivar entries: of a catalog's ``services:``: ``held.wait`` calls it.
    :ivar url: where it is.
    :ivar asked: set from the first request on.
    :ivar requests: the count of those that came.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.release = threading.Event()
        self.requests = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.entries = (
            "  held:\n"
            f"    base_url: {self.url}\n"
            "    allow_private: true\n"
            f"    timeout: {{read: {MAX_HOLD_SECONDS}}}\n"
            f"    deadline: {MAX_HOLD_SECONDS}\n"
            "    methods: {wait: {http: GET /}}\n"
        )

    def __enter__(self) -> HeldVendor:
        threading.Thread(target=self._server.serve_forever).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with vendor._lock:
                    vendor.requests += 1
                vendor.asked.set()
                vendor.release.wait(MAX_HOLD_SECONDS)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        return Handler
