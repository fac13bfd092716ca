"""A catalog in Consul's KV store, watched with blocking queries.

Source: https://developer.hashicorp.com/consul/api-docs/features/blocking
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from gateway.clock import Clock
from gateway.masking import Masker, Secret
from gateway.messages import HttpResponse
from gateway.sources.base import Address, Stopping
from gateway.sources.http import WAIT, Server


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
        self._query = {
            "raw": "",
            **{name: address.options[name] for name in ("dc", "ns") if name in address.options},
        }
        token = address.options.get("token") or env.get("CONSUL_HTTP_TOKEN", "")
        masker.register(Secret(token))
        self._headers = {"X-Consul-Token": token} if token else {}
        self._index = 0  # what we have seen; 0 asks for an answer at once

    def read(self) -> str:
        return self._server.text_of(self._server.get(self._path, self._query, self._headers))

    def following(self, stopping: Stopping) -> str:
        seen, self._index = self._index, 0  # whatever fails now, the next question is not held back
        # The server adds up to a sixteenth to the wait, so that its clients do not come back all at once.
        wait = {"index": str(seen), "wait": f"{WAIT}s"} if seen else {}
        response = self._server.get(
            self._path, {**self._query, **wait}, self._headers, WAIT * 17 / 16 if seen else 0
        )
        if response.status in (200, 404):
            self._index = _next_index(response, seen)
        return self._server.text_of(response)

    def close(self) -> None:
        self._server.close()


def _next_index(response: HttpResponse, seen: int) -> int:
    """The answer's index; 0, to begin anew, where it went backwards or is none (as Consul's guide asks for)."""
    given = response.headers.get("X-Consul-Index", "")
    index = int(given) if given.isdecimal() and len(given) < 20 else 0
    return index if index >= max(seen, 1) else 0
