"""A catalog in Nacos, over its open API v1: a long-polling listener, or an MD5 poll where there is none.

Source: https://nacos.io/en/docs/open-api/ (Get configurations, Listen for configurations, Authentication)
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping

from gateway.clock import Clock
from gateway.masking import Masker, Secret
from gateway.messages import HttpResponse
from gateway.sources.base import Address, Missing, SourceError, Stopping
from gateway.sources.http import WAIT, Server

CONFIGS, LISTENER, LOGIN = (
    "/nacos/v1/cs/configs",
    "/nacos/v1/cs/configs/listener",
    "/nacos/v1/auth/login",
)
EVERY = 1.0  # seconds between two questions where nobody listens
NO_LISTENER = (404, 405, 410, 501)
RENEW = 0.9  # the share of an access token's life after which another is fetched
FIELD, LINE = "\x02", "\x01"  # what separates the listener's words and lines


class Nacos:
    """One configuration. User and password are the address's, or ``NACOS_USERNAME`` and ``NACOS_PASSWORD``."""

    away = True
    label = "nacos"

    def __init__(
        self, address: Address, env: Mapping[str, str], clock: Clock, masker: Masker
    ) -> None:
        options = address.options
        self.name = address.name
        self._server = Server(address, self.label, clock)
        self._clock, self._masker = clock, masker
        self._what = {"dataId": address.key, "group": options.get("group") or "DEFAULT_GROUP"}
        if tenant := options.get("tenant") or options.get("namespace"):
            self._what["tenant"] = tenant
        self._username = options.get("username") or env.get("NACOS_USERNAME", "")
        self._password = options.get("password") or env.get("NACOS_PASSWORD", "")
        masker.register(Secret(self._password))
        self._token, self._renew_at = "", -math.inf
        self._md5: str | None = (
            None  # of what was given last; none where the next question is to be answered at once
        )
        self._listens = True

    def read(self) -> str:
        response = self._server.get(CONFIGS, {**self._what, **self._proof()})
        return self._server.text_of(self._proved(response))

    def following(self, stopping: Stopping) -> str:
        seen, self._md5 = self._md5, None
        if seen is not None:
            self._listen(seen, stopping)
        try:
            text = (
                self.read()
            )  # after every wait: what the listener does not tell is seen all the same
        except Missing:
            self._md5 = ""
            raise
        self._md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return text

    def close(self) -> None:
        self._server.close()

    def _listen(self, md5: str, stopping: Stopping) -> None:
        """Until it is no longer what has this MD5, or for a while."""
        if not self._listens:
            stopping.wait(EVERY)
            return
        words = [
            self._what["dataId"],
            self._what["group"],
            md5,
            *([self._what["tenant"]] if "tenant" in self._what else []),
        ]
        form = {"Listening-Configs": FIELD.join(words) + LINE, **self._proof()}
        response = self._proved(
            self._server.post(LISTENER, form, {"Long-Pulling-Timeout": str(WAIT * 1000)}, WAIT)
        )
        self._listens = response.status not in NO_LISTENER
        if self._listens:
            self._server.text_of(response)

    def _proof(self) -> dict[str, str]:
        """The access token, as a parameter; nothing where no user is given."""
        if not self._username:
            return {}
        if self._clock.now() >= self._renew_at:
            response = self._server.post(
                LOGIN, {"username": self._username, "password": self._password}
            )
            if response.status != 200:
                raise SourceError(f"{self.label} refused our login with {response.status}")
            try:
                said = json.loads(response.body)
                self._token, life = str(said["accessToken"]), float(said["tokenTtl"])
            except (ValueError, TypeError, KeyError) as error:
                raise SourceError(f"{self.label} answered our login with no token") from error
            self._masker.register(Secret(self._token), temporary=True)
            self._renew_at = self._clock.now() + life * RENEW
        return {"accessToken": self._token}

    def _proved(self, response: HttpResponse) -> HttpResponse:
        """A token that was refused is not used again."""
        if response.status in (401, 403):
            self._renew_at = -math.inf
        return response
