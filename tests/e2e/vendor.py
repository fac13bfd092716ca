"""A vendor for tests of the proxy: it sends its callers to absolute addresses of its own, sets cookies, and is slow."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGES = 3
COMPLETION = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
}  # fmt: skip


@dataclass(frozen=True)
class Heard:
    """One request. Header names are in lower case."""

    verb: str
    path: str
    headers: Mapping[str, str]


class Vendor:
    """Its API is below ``/v1``.

    :param elsewhere: another host's URL, to which ``/v1/away`` leads.
    """

    def __init__(self, elsewhere: str = "") -> None:
        self.heard: list[Heard] = []
        self.release = threading.Event()  # lets what is slow end
        self._elsewhere = elsewhere

    def __enter__(self) -> Vendor:
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                vendor.heard.append(Heard(self.command, self.path, headers))
                status, more, body = vendor.answer(self.path, headers)
                sent = json.dumps(body).encode()
                self.send_response(status)
                for name, value in more:
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(
        self, target: str, headers: Mapping[str, str]
    ) -> tuple[int, list[tuple[str, str]], Any]:
        """Status, headers and JSON."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        match path:
            case "/v1/items":
                page = int(query.get("page", ["1"])[0])
                last = f'<{self.url}/v1/items?page={PAGES}>; rel="last"'
                link = f'<{self.url}/v1/items?page={page + 1}>; rel="next", {last}'
                return 200, [("Link", link)] if page < PAGES else [], [{"id": page}]
            case "/v1/models":
                return 301, [("Location", f"{self.url}/v1/catalog/models")], {}
            case "/v1/catalog/models":
                return 200, [], {"object": "list", "data": [{"id": "m", "object": "model"}]}
            case "/v1/chat/completions":
                return 307, [("Location", "/v1/moved/completions")], {}
            case "/v1/away/chat/completions" | "/v1/away":
                return 307, [("Location", f"{self._elsewhere}/v1/moved/completions")], {}
            case "/v1/slow/chat/completions":
                self.release.wait(60)
            case "/v1/login":
                return 303, [
                    ("Location", "/v1/me"), ("Set-Cookie", "a=1; Domain=127.0.0.1; Path=/; HttpOnly"),
                    ("Set-Cookie", "b=2"),
                ], {}  # fmt: skip
            case "/v1/me":
                return 200, [], {"cookie": headers.get("cookie", "")}
        return 200, [], COMPLETION
