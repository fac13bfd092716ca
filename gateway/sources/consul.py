"""A catalog in Consul's KV store, watched with blocking queries.

Source: https://developer.hashicorp.com/consul/api-docs/features/blocking
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event
from urllib.parse import quote

from gateway.clock import Clock
from gateway.http_messages import HttpResponse
from gateway.masking import Masker, Secret
from gateway.sources.base import SourceAddress
from gateway.sources.http import HOLD_SECONDS, Server


class BlockingQuery:
    """Asks Consul for one path: at once, or once it may have changed since the last answer."""

    def __init__(
        self, server: Server, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> None:
        self._server = server
        self._path = path
        self._query = query
        self._headers = headers
        self._last_index = 0
        self._index = 0  # of the last answer; 0 asks for an answer at once

    def get(self) -> HttpResponse:
        return self._server.get(self._path, self._query, self._headers)

    def wait(self) -> HttpResponse:
        """Return an answer that the server holds back until something has changed."""
        self._last_index = self._index
        self._index = 0  # whatever fails now, the next request is not held back
        if not self._last_index:
            return self.get()
        query = {**self._query, "index": str(self._last_index), "wait": f"{HOLD_SECONDS}s"}
        # The server adds up to a sixteenth, so that its clients do not come back all at once.
        hold_seconds = HOLD_SECONDS * 17 / 16
        return self._server.get(self._path, query, self._headers, hold_seconds)

    def accept(self, response: HttpResponse) -> None:
        """Have the next ``wait`` wait for what comes after this answer."""
        self._index = _next_index(response, self._last_index)


class Consul:
    """One key."""

    away = True
    label = "consul"

    def __init__(
        self, address: SourceAddress, env: Mapping[str, str], clock: Clock, masker: Masker
    ) -> None:
        self.name = address.name
        self._server = Server(address, self.label, clock)
        options = {key: address.options[key] for key in ("dc", "ns") if key in address.options}
        self._query = BlockingQuery(
            self._server,
            f"/v1/kv/{quote(address.key)}",
            {"raw": "", **options},
            token_headers(address, env, masker),
        )

    def read(self) -> str:
        return self._server.read_text(self._query.get())

    def wait_for_text(self, stopping: Event) -> str:
        response = self._query.wait()
        if response.status in (200, 404):
            self._query.accept(response)
        return self._server.read_text(response)

    def close(self) -> None:
        self._server.close()


def token_headers(address: SourceAddress, env: Mapping[str, str], masker: Masker) -> dict[str, str]:
    """Return what shows Consul our token: the address's, or ``CONSUL_HTTP_TOKEN``."""
    token = address.options.get("token") or env.get("CONSUL_HTTP_TOKEN", "")
    masker.register(Secret(token))
    return {"X-Consul-Token": token} if token else {}


def _next_index(response: HttpResponse, last: int) -> int:
    """Return the answer's index; 0, as Consul asks for, where it went backwards or is none."""
    text = response.headers.get("X-Consul-Index", "")
    if not text.isdecimal() or len(text) >= 20 or int(text) < last:
        return 0
    return int(text)
