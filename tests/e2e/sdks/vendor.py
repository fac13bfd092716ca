"""A vendor for tests of the proxy: it sends its callers to absolute addresses of its own, sets cookies, and is slow."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.http_server import Answer, HttpServer, Received

PAGES = 3
COMPLETION = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
}  # fmt: skip


class Vendor(HttpServer):
    """Its API is below ``/v1``.

    :param other_host: another host's URL, to which ``/v1/away`` leads.
    :ivar requests: what it was asked, in order.
    """

    def __init__(self, other_host: str = "") -> None:
        self.requests: list[Received] = []
        self.release = threading.Event()  # lets what is slow end
        self._other_host = other_host

    def __exit__(self, *_: object) -> None:
        self.release.set()
        super().__exit__()

    def answer(self, request: Received) -> Answer:
        self.requests.append(request)
        status, headers, value = self._route(request)
        return Answer(
            status, json.dumps(value).encode(), (*headers, ("Content-Type", "application/json"))
        )

    def _route(self, request: Received) -> tuple[int, list[tuple[str, str]], Any]:
        """Return status, headers and JSON."""
        path = urlsplit(request.target).path
        query = parse_qs(urlsplit(request.target).query)
        match path:
            case "/v1/linked" | "/v1/items":
                make_page = self._page if path == "/v1/items" else self._linked_page
                return make_page(int(query.get("page", ["1"])[0]))
            case "/v1/models":
                return 301, [("Location", f"{self.url}/v1/catalog/models")], {}
            case "/v1/catalog/models":
                return 200, [], {"object": "list", "data": [{"id": "m", "object": "model"}]}
            case "/v1/chat/completions":
                return 307, [("Location", "/v1/moved/completions")], {}
            case "/v1/away/chat/completions" | "/v1/away":
                return 307, [("Location", f"{self._other_host}/v1/moved/completions")], {}
            case "/v1/slow/chat/completions":
                self.release.wait(60)
            case "/v1/login":
                return 303, [
                    ("Location", "/v1/me"), ("Set-Cookie", "a=1; Domain=127.0.0.1; Path=/; HttpOnly"),
                    ("Set-Cookie", "b=2"),
                ], {}  # fmt: skip
            case "/v1/me":
                return 200, [], {"cookie": request.headers.get("cookie", "")}
        return 200, [], COMPLETION

    def _linked_page(self, page: int) -> tuple[int, list[tuple[str, str]], Any]:
        """Return a page that names the next one in its body, as OData does, and is large."""
        value: dict[str, Any] = {"value": [{"id": page, "url": f"{self.url}/v1/items/{page}"}]}
        value["text"] = f"see {self.url}/v1/items " + "x" * 100_000
        if page < PAGES:
            value["next"] = f"{self.url}/v1/linked?page={page + 1}"
        return 200, [("ETag", f'"{page}"'), ("Accept-Ranges", "bytes")], value

    def _page(self, page: int) -> tuple[int, list[tuple[str, str]], Any]:
        if page == PAGES:
            return 200, [], [{"id": page}]
        next_page = f'<{self.url}/v1/items?page={page + 1}>; rel="next"'
        last_page = f'<{self.url}/v1/items?page={PAGES}>; rel="last"'
        return 200, [("Link", f"{next_page}, {last_page}")], [{"id": page}]
