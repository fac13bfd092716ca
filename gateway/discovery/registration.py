"""Tells Consul of this instance, so that others find it by name.

Source: https://developer.hashicorp.com/consul/api-docs/agent/service
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from gateway.catalog.registry_names import registry_address
from gateway.clock import Clock
from gateway.discovery.addresses import read_address
from gateway.http_messages import HttpResponse
from gateway.masking import Masker
from gateway.sources.base import SourceError
from gateway.sources.consul import token_headers
from gateway.sources.http import Server

if TYPE_CHECKING:
    from gateway.runtime import Log

TTL_SECONDS = 15
RENEW_SECONDS = 5.0  # so that one renewal may be lost
FORGET_AFTER = "60s"  # Consul drops an instance that has not been heard of for so long
LEAVE_SECONDS = 2.0


@dataclass(frozen=True)
class Announcement:
    """What Consul is told: a service's name, and where this instance of it is."""

    name: str
    host: str
    port: int
    scheme: str = "http"
    tags: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.name}-{self.host}-{self.port}"

    def to_json(self) -> bytes:
        check = {
            "TTL": f"{TTL_SECONDS}s",
            "Status": "passing",
            "DeregisterCriticalServiceAfter": FORGET_AFTER,
        }
        return json.dumps(
            {
                "ID": self.id,
                "Name": self.name,
                "Address": self.host,
                "Port": self.port,
                "Tags": list(self.tags),
                "Meta": {"scheme": self.scheme},
                "Check": check,
            }
        ).encode()


class Registration:
    """Kept up by a thread of each worker: they renew the same one, and the last to leave ends it.

    A Consul that has forgotten it, after a restart, is told again.

    :param leaving: set once the service ends; a worker that is only replaced does not leave.
    """

    def __init__(
        self,
        announcement: Announcement,
        leaving: threading.Event,
        env: Mapping[str, str],
        clock: Clock,
        log: Log,
        masker: Masker,
    ) -> None:
        address = read_address("consul", registry_address("consul", env))
        self._headers = token_headers(address, env, masker)
        self._announcement = announcement
        self._server = Server(address, "consul", clock)
        self._leaving = leaving
        self._log = log
        self._logged = ("", "")
        self._registered = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin. After the fork."""
        self._thread = threading.Thread(target=self._run, name="postern-registration", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait until Consul knows that this instance leaves, if it does."""
        if self._thread and self._leaving.is_set():
            self._thread.join(LEAVE_SECONDS)
        self._server.close()

    def _run(self) -> None:
        while not self._leaving.is_set():
            self._try("registered", self._renew)
            self._leaving.wait(RENEW_SECONDS)
        self._try("left", self._leave)

    def _renew(self) -> None:
        if self._registered:
            response = self._put(f"/v1/agent/check/pass/service:{self._quoted_id}")
            self._registered = response.status == 200
            if response.status not in (200, 404, 500):  # 500 is what older ones say of no check
                raise SourceError(f"consul answered {response.status}")
        if not self._registered:
            response = self._put("/v1/agent/service/register", self._announcement.to_json())
            if response.status != 200:
                raise SourceError(f"consul answered {response.status}")
            self._registered = True

    def _leave(self) -> None:
        response = self._put(f"/v1/agent/service/deregister/{self._quoted_id}")
        if response.status not in (200, 404):  # another worker may have been first
            raise SourceError(f"consul answered {response.status}")

    @property
    def _quoted_id(self) -> str:
        return quote(self._announcement.id, safe="")

    def _put(self, path: str, body: bytes = b"") -> HttpResponse:
        return self._server.put(path, body, self._headers)

    def _try(self, outcome: str, act: Callable[[], None]) -> None:
        """Do it, and say what came of it wherever that is another thing than the last time."""
        problem = ""
        try:
            act()
        # A thread that ended here would let the registration run out.
        except Exception as error:  # noqa: BLE001
            problem = error.detail if isinstance(error, SourceError) else type(error).__name__
        if (outcome, problem) == self._logged:
            return
        self._logged = (outcome, problem)
        if problem:
            self._log.warning("consul", id=self._announcement.id, problem=problem)
        else:
            self._log.info("consul", id=self._announcement.id, outcome=outcome)
