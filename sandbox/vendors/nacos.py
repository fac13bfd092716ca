"""A stand-in for Nacos's configurations, after its open API v1 (https://nacos.io/en/docs/open-api/): GET of a
configuration, the long-polling listener, login with user and password."""

import hashlib
import secrets
import time
from urllib.parse import parse_qs, quote

from sandbox.messages import Reply, Request, json_reply, not_found, wrong_verb
from sandbox.vendors.text_store import TextStore

CONFIGS, LISTENER, LOGIN = (
    "/nacos/v1/cs/configs",
    "/nacos/v1/cs/configs/listener",
    "/nacos/v1/auth/login",
)
PLAIN = (("Content-Type", "text/plain; charset=UTF-8"),)
FIELD, LINE = "\x02", "\x01"


class Nacos(TextStore):
    """`url("DATAID")` is what CATALOG says; texts go by `name(...)`. `listener=False`: no long polling."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        username: str = "",
        password: str = "",
        listener: bool = True,
    ) -> None:
        super().__init__(host, port)
        self._user = (username, password)
        self._listener = listener
        self._tokens: set[str] = set()
        self.token_ttl = 18000

    def url(self, data_id: str, query: str = "group=DEFAULT_GROUP") -> str:
        return f"nacos://{self.address}/{data_id}{query and '?' + query}"

    @staticmethod
    def name(data_id: str, group: str = "DEFAULT_GROUP", tenant: str = "") -> str:
        return FIELD.join((data_id, group, tenant))

    @property
    def logins(self) -> int:
        return sum(request.path == LOGIN for request in self.requests)

    def revoke(self) -> None:
        """Every access token is unknown from now on."""
        self._tokens.clear()

    def handle(self, request: Request) -> Reply:
        form = {
            name: values[0]
            for name, values in parse_qs(request.text(), keep_blank_values=True).items()
        }
        given = {**{name: values[0] for name, values in request.query.items()}, **form}
        if request.path == LOGIN:
            return self._login(given) if request.verb == "POST" else wrong_verb("POST")
        if request.path not in (CONFIGS, LISTENER) or (
            request.path == LISTENER and not self._listener
        ):
            return not_found(request)
        if self._user[0] and given.get("accessToken") not in self._tokens:
            return json_reply(
                403, {"status": 403, "error": "Forbidden", "message": "token invalid!"}
            )
        if request.path == LISTENER:
            return self._listen(given, request) if request.verb == "POST" else wrong_verb("POST")
        return self._config(given) if request.verb == "GET" else wrong_verb("GET")

    def _login(self, given: dict[str, str]) -> Reply:
        if (given.get("username"), given.get("password")) != self._user:
            return json_reply(
                403, {"status": 403, "error": "Forbidden", "message": "unknown user!"}
            )
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        return json_reply(
            200, {"accessToken": token, "tokenTtl": self.token_ttl, "globalAdmin": False}
        )

    def _config(self, given: dict[str, str]) -> Reply:
        text = self._texts.get(
            self.name(given.get("dataId", ""), given.get("group", ""), given.get("tenant", ""))
        )
        if text is None:
            return Reply(404, b"config data not exist", PLAIN)
        return Reply(200, text, (*PLAIN, ("Content-MD5", _md5(text))))

    def _listen(self, given: dict[str, str], request: Request) -> Reply:
        """Which of the configurations are no longer what the client has, once one is not; nothing when time is up."""
        asked = [
            line.split(FIELD) for line in given.get("Listening-Configs", "").split(LINE) if line
        ]
        if not asked or any(len(words) not in (3, 4) for words in asked):
            return Reply(400, b"invalid probeModify", PLAIN)
        # Nacos answers half a second early, and takes no less than ten.
        until = time.monotonic() + max(
            10.0, int(request.headers.get("long-pulling-timeout", "30000")) / 1000 - 0.5
        )
        while True:
            changes = self._changes
            changed = [words for words in asked if self._differs(words)]
            if changed or self._stopped or time.monotonic() >= until:
                told = "".join(FIELD.join([*words[:2], *words[3:]]) + LINE for words in changed)
                return Reply(200, quote(told).encode(), PLAIN)
            self.wait_for_change(changes, until - time.monotonic())

    def _differs(self, words: list[str]) -> bool:
        data_id, group, md5, *tenant = words
        text = self._texts.get(self.name(data_id, group, *tenant))
        return md5 != ("" if text is None else _md5(text))


def _md5(text: bytes) -> str:
    return hashlib.md5(text).hexdigest()
