"""A catalog in Nacos, over its open API v1: by a long-polling listener, or else by polling.

Source: https://nacos.io/en/docs/open-api/ (configurations, listening, authentication)
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from threading import Event

from gateway.clock import Clock
from gateway.http_messages import HttpResponse
from gateway.masking import Masker, Secret
from gateway.sources.base import Missing, SourceAddress, SourceError
from gateway.sources.http import HOLD_SECONDS, Server

CONFIGS_PATH = "/nacos/v1/cs/configs"
LISTENER_PATH = "/nacos/v1/cs/configs/listener"
LOGIN_PATH = "/nacos/v1/auth/login"
POLL_SECONDS = 1.0  # between two requests where there is no listener
NO_LISTENER_STATUSES = (404, 405, 410, 501)
RENEW_SHARE = 0.9  # of an access token's life, after which another is fetched
WORD_SEPARATOR = "\x02"
LINE_SEPARATOR = "\x01"


class Login:
    """With the address's user and password, or ``NACOS_USERNAME`` and ``NACOS_PASSWORD``."""

    def __init__(
        self,
        server: Server,
        options: Mapping[str, str],
        env: Mapping[str, str],
        clock: Clock,
        masker: Masker,
    ) -> None:
        self._server = server
        self._clock = clock
        self._masker = masker
        self._username = options.get("username") or env.get("NACOS_USERNAME", "")
        self._password = options.get("password") or env.get("NACOS_PASSWORD", "")
        masker.register(Secret(self._password))
        self._token = ""
        self._renew_at = -math.inf

    def params(self) -> dict[str, str]:
        """Return the access token as a parameter; nothing where no user is set."""
        if not self._username:
            return {}
        if self._clock.now() >= self._renew_at:
            self._log_in()
        return {"accessToken": self._token}

    def _log_in(self) -> None:
        form = {"username": self._username, "password": self._password}
        response = self._server.post(LOGIN_PATH, form)
        if response.status != 200:
            raise SourceError(f"{self._server.label} refused our login with {response.status}")
        try:
            answer = json.loads(response.body)
            self._token = str(answer["accessToken"])
            ttl_seconds = float(answer["tokenTtl"])
        except (ValueError, TypeError, KeyError) as error:
            raise SourceError(f"{self._server.label} answered our login with no token") from error
        self._masker.register(Secret(self._token), temporary=True)
        self._renew_at = self._clock.now() + ttl_seconds * RENEW_SHARE

    def check(self, response: HttpResponse) -> None:
        """Have the next request log in again if this answer refuses the token."""
        if response.status in (401, 403):
            self._renew_at = -math.inf


class Nacos:
    """One configuration."""

    away = True
    label = "nacos"

    def __init__(
        self, address: SourceAddress, env: Mapping[str, str], clock: Clock, masker: Masker
    ) -> None:
        options = address.options
        self.name = address.name
        self._server = Server(address, self.label, clock)
        self._login = Login(self._server, options, env, clock, masker)
        self._config_id = {"dataId": address.key, "group": options.get("group") or "DEFAULT_GROUP"}
        if tenant := options.get("tenant") or options.get("namespace"):
            self._config_id["tenant"] = tenant
        # Of the last text; None where the next request is to be answered at once.
        self._md5: str | None = None
        self._listens = True

    def read(self) -> str:
        response = self._server.get(CONFIGS_PATH, {**self._config_id, **self._login.params()})
        self._login.check(response)
        return self._server.read_text(response)

    def wait_for_text(self, stopping: Event) -> str:
        md5 = self._md5
        self._md5 = None
        if md5 is not None:
            self._listen(md5, stopping)
        try:
            text = self.read()  # after every wait, as a listener may miss a change
        except Missing:
            self._md5 = ""
            raise
        self._md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return text

    def close(self) -> None:
        self._server.close()

    def _listen(self, md5: str, stopping: Event) -> None:
        """Wait until the text no longer has this MD5, or for a while."""
        if not self._listens:
            stopping.wait(POLL_SECONDS)
            return
        words = [self._config_id["dataId"], self._config_id["group"], md5]
        if "tenant" in self._config_id:
            words.append(self._config_id["tenant"])
        line = WORD_SEPARATOR.join(words) + LINE_SEPARATOR
        form = {"Listening-Configs": line, **self._login.params()}
        headers = {"Long-Pulling-Timeout": str(HOLD_SECONDS * 1000)}
        response = self._server.post(LISTENER_PATH, form, headers, HOLD_SECONDS)
        self._login.check(response)
        self._listens = response.status not in NO_LISTENER_STATUSES
        if self._listens:
            self._server.read_text(response)
