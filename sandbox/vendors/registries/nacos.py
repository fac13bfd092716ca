"""A stand-in for Nacos's configurations and instances, after its open API v1
(https://nacos.io/en/docs/open-api/): GET of a configuration, the long-polling listener, the list of
a service's instances, login with user and password.
"""

import hashlib
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, quote

from sandbox.messages import Reply, Request, json_reply, not_found_reply, wrong_verb_reply
from sandbox.vendors.registries.text_store import TextStore

CONFIGS = "/nacos/v1/cs/configs"
LISTENER = "/nacos/v1/cs/configs/listener"
INSTANCES = "/nacos/v1/ns/instance/list"
LOGIN = "/nacos/v1/auth/login"
PLAIN_TEXT = (("Content-Type", "text/plain; charset=UTF-8"),)
FIELD_SEPARATOR = "\x02"
LINE_SEPARATOR = "\x01"
MIN_POLL_SECONDS = 10.0
EARLY_SECONDS = 0.5  # by which Nacos answers before the client's time is up


class Nacos(TextStore):
    """`url("DATAID")` is what CATALOG says; texts go by `name(...)`. `listener=False`: no long
    polling.
    """

    def __init__(
        self, port: int = 0, *, username: str = "", password: str = "", listener: bool = True
    ) -> None:
        super().__init__(port)
        self._user = (username, password)
        self._listener = listener
        self._tokens: set[str] = set()
        self._instances: list[dict[str, Any]] = []
        self.token_ttl = 18000

    def url(self, data_id: str, query: str = "group=DEFAULT_GROUP") -> str:
        return f"nacos://{self.address}/{data_id}{query and '?' + query}"

    @staticmethod
    def name(data_id: str, group: str = "DEFAULT_GROUP", tenant: str = "") -> str:
        return FIELD_SEPARATOR.join((data_id, group, tenant))

    def add_instance(self, name: str, address: str, **details: Any) -> None:
        """`address` is HOST:PORT; `group`, `namespace`, `healthy`, `metadata` may be given."""
        host, _, port = address.rpartition(":")
        self._instances.append(
            {"name": name, "ip": host, "port": int(port), "healthy": True, "enabled": True}
            | {"group": "DEFAULT_GROUP", "namespace": "public", "metadata": {}, "weight": 1.0}
            | details
        )

    def remove_instance(self, address: str) -> None:
        self._instances = [
            instance
            for instance in self._instances
            if f"{instance['ip']}:{instance['port']}" != address
        ]

    @property
    def logins(self) -> int:
        return sum(request.path == LOGIN for request in self.requests)

    def revoke(self) -> None:
        """Make every access token unknown."""
        self._tokens.clear()

    def handle(self, request: Request) -> Reply:
        form = parse_qs(request.text(), keep_blank_values=True)
        params = {name: values[0] for name, values in {**request.query, **form}.items()}
        if request.path == LOGIN:
            return self._login(params) if request.verb == "POST" else wrong_verb_reply("POST")
        if request.path not in (CONFIGS, LISTENER, INSTANCES) or (
            request.path == LISTENER and not self._listener
        ):
            return not_found_reply(request)
        if self._user[0] and params.get("accessToken") not in self._tokens:
            return json_reply(
                403, {"status": 403, "error": "Forbidden", "message": "token invalid!"}
            )
        if request.path == LISTENER:
            if request.verb != "POST":
                return wrong_verb_reply("POST")
            return self._listen(params, request)
        if request.verb != "GET":
            return wrong_verb_reply("GET")
        if request.path == INSTANCES:
            return self._list_instances(params)
        return self._config(params)

    def _login(self, params: dict[str, str]) -> Reply:
        if (params.get("username"), params.get("password")) != self._user:
            return json_reply(
                403, {"status": 403, "error": "Forbidden", "message": "unknown user!"}
            )
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        return json_reply(
            200, {"accessToken": token, "tokenTtl": self.token_ttl, "globalAdmin": False}
        )

    def _list_instances(self, params: dict[str, str]) -> Reply:
        key = (
            params.get("serviceName"),
            params.get("groupName", "DEFAULT_GROUP"),
            params.get("namespaceId", "public"),
        )
        hosts = [
            instance
            for instance in self._instances
            if (instance["name"], instance["group"], instance["namespace"]) == key
            and (params.get("healthyOnly") != "true" or instance["healthy"])
        ]
        return json_reply(200, {"name": params.get("serviceName"), "hosts": hosts})

    def _config(self, params: dict[str, str]) -> Reply:
        text = self._texts.get(
            self.name(params.get("dataId", ""), params.get("group", ""), params.get("tenant", ""))
        )
        if text is None:
            return Reply(404, b"config data not exist", PLAIN_TEXT)
        return Reply(200, text, (*PLAIN_TEXT, ("Content-MD5", _md5(text))))

    def _listen(self, params: dict[str, str], request: Request) -> Reply:
        """Wait until configurations are no longer what the client has; name them, or nothing when
        time is up.
        """
        watched = [
            line.split(FIELD_SEPARATOR)
            for line in params.get("Listening-Configs", "").split(LINE_SEPARATOR)
            if line
        ]
        if not watched or any(len(fields) not in (3, 4) for fields in watched):
            return Reply(400, b"invalid probeModify", PLAIN_TEXT)
        timeout_seconds = int(request.headers.get("long-pulling-timeout", "30000")) / 1000
        until = time.monotonic() + max(MIN_POLL_SECONDS, timeout_seconds - EARLY_SECONDS)
        while True:
            changes = self._changes
            changed = [fields for fields in watched if self._differs(fields)]
            if changed or self._stopped or time.monotonic() >= until:
                lines = [
                    FIELD_SEPARATOR.join([*fields[:2], *fields[3:]]) + LINE_SEPARATOR
                    for fields in changed
                ]
                return Reply(200, quote("".join(lines)).encode(), PLAIN_TEXT)
            self.wait_for_change(changes, until - time.monotonic())

    def _differs(self, fields: list[str]) -> bool:
        data_id, group, md5, *tenant = fields
        text = self._texts.get(self.name(data_id, group, *tenant))
        if text is None:
            return md5 != ""
        return md5 != _md5(text)


def _md5(text: bytes) -> str:
    return hashlib.md5(text, usedforsecurity=False).hexdigest()
