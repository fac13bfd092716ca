"""The HTTP client of sources: one server, whose answers may be held back (long polling)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from gateway.bodies import FORM_TYPE
from gateway.catalog.model import Timeout, Tls
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.http.client import long_poll_channel
from gateway.http_messages import HttpRequest, HttpResponse
from gateway.sources.base import Missing, SourceAddress, SourceError

# For which a server may hold its answer back; a connection that died unnoticed is given up soon
# after.
HOLD_SECONDS = 10
ANSWER_SECONDS = 3.0  # for an answer that is not held back, and beyond the time for which it is
MAX_ANSWER_BYTES = 16 * 1024 * 1024


class Server:
    """:param label: how errors call it, for anybody to read."""

    def __init__(self, address: SourceAddress, label: str, clock: Clock) -> None:
        self._url = address.url
        self.label = label
        self._clock = clock
        self._channel = long_poll_channel(
            address.url, MAX_ANSWER_BYTES, clock, address.tls or Tls()
        )

    def get(
        self,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        hold_seconds: float = 0,
    ) -> HttpResponse:
        """:raises SourceError: no answer within ``hold_seconds`` and ``ANSWER_SECONDS``."""
        return self._send(
            HttpRequest("GET", self._url, path, tuple(query.items()), headers or {}), hold_seconds
        )

    def post(
        self,
        path: str,
        form: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        hold_seconds: float = 0,
    ) -> HttpResponse:
        """Send a form; otherwise as ``get``."""
        headers = {"Content-Type": FORM_TYPE, **(headers or {})}
        body = urlencode(form).encode()
        return self._send(HttpRequest("POST", self._url, path, (), headers, body), hold_seconds)

    def put(self, path: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        """Send JSON; otherwise as ``get``."""
        headers = {"Content-Type": "application/json", **headers}
        return self._send(HttpRequest("PUT", self._url, path, (), headers, body), 0)

    def read_text(self, response: HttpResponse) -> str:
        """Return the body of a good answer.

        :raises Missing: the server has no text under this name.
        :raises SourceError: the answer is a failure, or not UTF-8.
        """
        if response.status == 404:
            raise Missing(f"{self.label} has nothing under this name")
        if response.status != 200:
            raise SourceError(f"{self.label} answered {response.status}")
        try:
            return response.body.decode()
        except UnicodeDecodeError as error:
            raise SourceError(f"what {self.label} has is not UTF-8") from error

    def close(self) -> None:
        self._channel.close()

    def _send(self, request: HttpRequest, hold_seconds: float) -> HttpResponse:
        timeout = Timeout(ANSWER_SECONDS, hold_seconds + ANSWER_SECONDS)
        deadline = self._clock.now() + timeout.connect + timeout.read
        try:
            return self._channel.send(request, timeout, deadline)
        except GatewayError as error:
            message = f"{self.label} cannot be asked"
            detail = f"{message}: {type(error).__name__}: {error.detail or error}"
            raise SourceError(message, detail) from error
