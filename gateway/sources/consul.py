"""A catalog in Consul's KV store, watched with blocking queries.

Source: https://developer.hashicorp.com/consul/api-docs/features/blocking
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from gateway.clock import Clock
from gateway.http_messages import HttpResponse
from gateway.masking import Masker, Secret
from gateway.sources.base import Address, Stopping
from gateway.sources.http import HOLD_SECONDS, Server


class Consul:
    """One key. The token is the address's, or ``CONSUL_HTTP_TOKEN``."""

    away = True
    label = "consul"

    def __init__(
        self, address: Address, env: Mapping[str, str], clock: Clock, masker: Masker
    ) -> None:
        self.name = address.name
        self._server = Server(address, self.label, clock)
        self._path = f"/v1/kv/{quote(address.key)}"
        self._query = {"raw": ""}
        for option in ("dc", "ns"):
            if option in address.options:
                self._query[option] = address.options[option]
        token = address.options.get("token") or env.get("CONSUL_HTTP_TOKEN", "")
        masker.register(Secret(token))
        self._headers = {"X-Consul-Token": token} if token else {}
        self._index = 0  # of the last answer; 0 asks for an answer at once

    def read(self) -> str:
        return self._server.read_text(self._server.get(self._path, self._query, self._headers))

    def wait_for_text(self, stopping: Stopping) -> str:
        index = self._index
        self._index = 0  # whatever fails now, the next request is not held back
        query = self._query
        hold_seconds = 0.0
        if index:
            query = {**query, "index": str(index), "wait": f"{HOLD_SECONDS}s"}
            # The server adds up to a sixteenth, so that its clients do not come back all at once.
            hold_seconds = HOLD_SECONDS * 17 / 16
        response = self._server.get(self._path, query, self._headers, hold_seconds)
        if response.status in (200, 404):
            self._index = next_index(response, index)
        return self._server.read_text(response)

    def close(self) -> None:
        self._server.close()


def next_index(response: HttpResponse, last: int) -> int:
    """Return the answer's index; 0, to begin anew, where it went backwards or is none (as Consul's
    guide asks for).
    """
    text = response.headers.get("X-Consul-Index", "")
    if not text.isdecimal() or len(text) >= 20 or int(text) < last:
        return 0
    return int(text)
