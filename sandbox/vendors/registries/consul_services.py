"""The services that the stand-in for Consul knows, after
https://developer.hashicorp.com/consul/api-docs/agent/service and .../health: an agent's own, each
with a TTL check or none, and who of them passes.
"""

import json
import re
import time
from dataclasses import dataclass, field
from urllib.parse import unquote

from sandbox.messages import Reply, Request, json_reply, not_found_reply, wrong_verb_reply

HEALTH = "/v1/health/service/"
NAMES = "/v1/catalog/services"
REGISTER = "/v1/agent/service/register"
DEREGISTER = "/v1/agent/service/deregister/"
PASS = "/v1/agent/check/pass/service:"  # noqa: S105 - a path
NODE_ADDRESS = "127.0.0.1"
OK = Reply(200, b"", ())


@dataclass
class Instance:
    """:ivar passes_until: an instant (`time.monotonic`); infinity where nothing checks it."""

    id: str
    name: str
    address: str
    port: int
    tags: list[str] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    ttl_seconds: float = float("inf")
    passes_until: float = float("inf")

    def to_json(self) -> dict[str, object]:
        service = {
            "ID": self.id,
            "Service": self.name,
            "Address": self.address,
            "Port": self.port,
            "Tags": self.tags,
            "Meta": self.meta,
        }
        return {"Node": {"Address": NODE_ADDRESS}, "Service": service, "Checks": []}


class Services:
    """Instances by their ids; whoever changes one tells the others (`Consul`)."""

    def __init__(self) -> None:
        self.instances: dict[str, Instance] = {}

    def names(self) -> Reply:
        """Answer the names of all services, with their tags."""
        tags: dict[str, set[str]] = {}
        for instance in list(self.instances.values()):
            tags.setdefault(instance.name, set()).update(instance.tags)
        return json_reply(200, {name: sorted(own) for name, own in tags.items()})

    def health(self, request: Request) -> Reply:
        """Answer the instances of a service, those that pass where the query says so."""
        name = unquote(request.path.removeprefix(HEALTH))
        now = time.monotonic()
        tag = request.first("tag")
        instances = [
            instance.to_json()
            for instance in list(self.instances.values())
            if instance.name == name
            and (not tag or tag in instance.tags)
            and ("passing" not in request.query or instance.passes_until > now)
        ]
        return json_reply(200, instances)

    def change(self, request: Request) -> Reply:
        if request.verb != "PUT":
            return wrong_verb_reply("PUT")
        if request.path == REGISTER:
            return self._register(json.loads(request.body))
        for prefix, act in ((DEREGISTER, self._deregister), (PASS, self._pass)):
            if request.path.startswith(prefix):
                return act(request.path.removeprefix(prefix))
        return not_found_reply(request)

    def _register(self, body: dict[str, object]) -> Reply:
        check = body.get("Check") or {}
        name = str(body["Name"])
        instance = Instance(
            str(body.get("ID") or name),
            name,
            str(body.get("Address", "")),
            int(str(body.get("Port", 0))),
            list(body.get("Tags") or ()),  # type: ignore[call-overload]
            dict(body.get("Meta") or {}),  # type: ignore[call-overload]
        )
        if isinstance(check, dict) and "TTL" in check:
            seconds = re.fullmatch(r"(\d+)s", str(check["TTL"]))
            if seconds is None:
                return Reply(400, b"Invalid TTL", (("Content-Type", "text/plain"),))
            instance.ttl_seconds = float(seconds[1])
            instance.passes_until = 0.0
            if check.get("Status") == "passing":
                instance.passes_until = time.monotonic() + instance.ttl_seconds
        self.instances[instance.id] = instance
        return OK

    def _deregister(self, identity: str) -> Reply:
        if self.instances.pop(identity, None) is None:
            return _unknown(f"Unknown service ID {identity!r}")
        return OK

    def _pass(self, identity: str) -> Reply:
        instance = self.instances.get(identity)
        if instance is None:
            return _unknown(f'Unknown check ID "service:{identity}"')
        instance.passes_until = time.monotonic() + instance.ttl_seconds
        return OK


def _unknown(text: str) -> Reply:
    return Reply(404, text.encode(), (("Content-Type", "text/plain"),))
