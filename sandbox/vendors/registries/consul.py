"""A stand-in for Consul's KV store and its services, after
https://developer.hashicorp.com/consul/api-docs/kv: GET ?raw, blocking queries, X-Consul-Token. One
index for everything, as a busy store has it: a query may end with nothing new.
"""

import re
from dataclasses import replace
from typing import Any

from sandbox.messages import Reply, Request, json_reply, not_found_reply, wrong_verb_reply
from sandbox.vendors.registries.consul_services import HEALTH, NAMES, PASS, Instance, Services
from sandbox.vendors.registries.text_store import TextStore

PREFIX = "/v1/kv/"
WAIT_DURATION = re.compile(r"(\d+)(ms|s|m)")
UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
FIRST_INDEX = 100  # an index that a store which has been in use might have


class Consul(TextStore):
    """`url("KEY")` is what CATALOG says. With a `token`, others are answered 403."""

    def __init__(self, port: int = 0, *, token: str = "") -> None:
        super().__init__(port)
        self._token = token
        self._turned_back_by = 0
        self._services = Services()

    @property
    def instances(self) -> list[Instance]:
        """All that are registered, whether they pass or not."""
        return list(self._services.instances.values())

    def add_instance(self, name: str, address: str, **details: Any) -> None:
        """`address` is HOST:PORT, and the instance's id; `tags` and `meta` may be given."""
        host, _, port = address.rpartition(":")
        self._services.instances[address] = Instance(address, name, host, int(port), **details)
        self.wake()

    def remove_instance(self, address: str) -> None:
        self._services.instances.pop(address)
        self.wake()

    def forget_instances(self) -> None:
        """Forget all, as an agent that keeps nothing does at its restart."""
        self._services.instances.clear()
        self.wake()

    def url(self, key: str, query: str = "") -> str:
        return f"consul://{self.address}/{key}{query and '?' + query}"

    @property
    def index(self) -> int:
        return FIRST_INDEX + self._changes - self._turned_back_by

    def turn_back(self) -> None:
        """Move the index backwards, as a restore from a snapshot does; no query is woken."""
        self._turned_back_by += FIRST_INDEX

    def handle(self, request: Request) -> Reply:
        if not request.path.startswith((PREFIX, HEALTH, NAMES, "/v1/agent/")):
            return not_found_reply(request)
        if self._token and request.headers.get("x-consul-token") != self._token:
            return Reply(403, b"Permission denied", (("Content-Type", "text/plain"),))
        if request.path.startswith("/v1/agent/"):
            reply = self._services.change(request)
            if not request.path.startswith(PASS):
                self.wake()
            return reply
        if request.verb != "GET":
            return wrong_verb_reply("GET")
        index = request.first("index")
        if index.isdecimal() and int(index) > 0:
            self.wait_for_change(
                int(index) - FIRST_INDEX + self._turned_back_by, _seconds(request.first("wait"))
            )
        index_header = ("X-Consul-Index", str(self.index))
        if request.path.startswith((HEALTH, NAMES)):
            is_list = request.path == NAMES
            reply = self._services.names() if is_list else self._services.health(request)
            return replace(reply, headers=(*reply.headers, index_header))
        return self._text(request, index_header)

    def _text(self, request: Request, index_header: tuple[str, str]) -> Reply:
        text = self._texts.get(request.path.removeprefix(PREFIX))
        if text is None:
            return Reply(404, b"", (index_header,))
        if "raw" not in request.query:
            return json_reply(400, {"error": "this stand-in knows ?raw only"})
        return Reply(200, text, (("Content-Type", "text/plain; charset=utf-8"), index_header))


def _seconds(wait: str) -> float:
    """Read a duration; five minutes unless given, as Consul has it."""
    duration = WAIT_DURATION.fullmatch(wait)
    if duration is None:
        return 300.0
    return int(duration[1]) * UNIT_SECONDS[duration[2]]
