"""What sources behind HTTP have in common: one server, asked with patience."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from gateway.catalog.model import Timeout, Tls
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.http.client import long_poll_channel
from gateway.messages import HttpRequest, HttpResponse
from gateway.sources.base import Address, Missing, SourceError

WAIT = 10  # seconds that a server may hold its answer back; a connection that died unnoticed is given up soon after
PATIENCE = 3.0  # seconds for an answer that is not held back, and beyond the time for which it is
LARGEST = 16 * 1024 * 1024  # bytes of a catalog


class Server:
    """:param label: how errors call it, for anybody to read."""

    def __init__(self, address: Address, label: str, clock: Clock) -> None:
        self._url, self._label, self._clock = address.url, label, clock
        self._channel = long_poll_channel(address.url, LARGEST, clock, address.tls or Tls())

    def get(
        self,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        held: float = 0,
    ) -> HttpResponse:
        """:raises SourceError: no answer within ``held`` seconds and some patience."""
        return self._send(
            HttpRequest("GET", self._url, path, tuple(query.items()), headers or {}), held
        )

    def post(
        self,
        path: str,
        form: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        held: float = 0,
    ) -> HttpResponse:
        """As ``get``, with a form as the body."""
        body, kind = urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
        return self._send(
            HttpRequest("POST", self._url, path, (), {**kind, **(headers or {})}, body), held
        )

    def text_of(self, response: HttpResponse) -> str:
        """The body of a good answer.

        :raises Missing: there is nothing.
        :raises SourceError: it is a bad one, or not UTF-8.
        """
        if response.status == 404:
            raise Missing(f"{self._label} has nothing under this name")
        if response.status != 200:
            raise SourceError(f"{self._label} answered {response.status}")
        try:
            return response.body.decode()
        except UnicodeDecodeError as error:
            raise SourceError(f"what {self._label} has is not UTF-8") from error

    def close(self) -> None:
        self._channel.close()

    def _send(self, request: HttpRequest, held: float) -> HttpResponse:
        patience = held + PATIENCE
        try:
            return self._channel.send(
                request, Timeout(PATIENCE, patience), self._clock.now() + patience + PATIENCE
            )
        except GatewayError as error:
            what = f"{self._label} cannot be asked"
            raise SourceError(
                what, f"{what}: {type(error).__name__}: {error.detail or error}"
            ) from error
