"""The requests-based client: one tuned session for each service, and the only way out.

A session here has an adapter for the declared origins only: any other URL raises
``requests.exceptions.InvalidSchema``. What is prepared already goes to its adapter without ``Session.send``, so that
no redirect is followed, no cookie kept, and neither ``.netrc`` nor a proxy variable read.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from requests import PreparedRequest, Session
from requests.structures import CaseInsensitiveDict

from gateway.catalog.egress_proxy import DIRECT, NoProxy, Proxy
from gateway.catalog.model import Service, Timeout, Tls
from gateway.clock import Clock
from gateway.errors import ConnectionLost, ConnectTimeout, DeadlineExceeded, ReadTimeout
from gateway.http.certificates import Certificates, LiveContext, Trust
from gateway.http.connection import Connection, Connector
from gateway.http.pool import ConnectionPool
from gateway.http.resolver import Resolver
from gateway.http.response_parser import TimedResponse
from gateway.http.streaming_response import StreamingResponse, StreamTimeouts
from gateway.messages import HttpRequest, HttpResponse

NO_TLS = Tls()
DEFAULT_POOL_SIZE = (
    50  # connections a service's pool keeps unless its ``concurrency`` says otherwise
)


class Channel:
    """A session of its own to one place, behind these adapters by origin."""

    def __init__(self, adapters: Mapping[str, ConnectionPool], clock: Clock) -> None:
        self._session = Session()
        self._session.adapters.clear()
        self._clock = clock
        for origin, adapter in adapters.items():
            self._session.mount(origin + "/", adapter)

    def send(self, request: HttpRequest, timeout: Timeout, deadline: float) -> HttpResponse:
        """One attempt, within its own timeout and the call's deadline.

        :raises DeadlineExceeded: the deadline came first.
        :raises DownstreamError: see ``gateway.http.pool``.
        """
        left = deadline - self._clock.now()
        if left <= 0:
            raise DeadlineExceeded
        try:
            response = self._adapter(request).send(
                _prepared(request), timeout=(timeout.connect, timeout.read, left)
            )
        except (ConnectTimeout, ReadTimeout) as error:
            if self._clock.now() >= deadline:
                raise DeadlineExceeded from error
            raise
        return HttpResponse(
            response.status_code, response.headers, response.content, response.first_byte
        )

    def open(self, request: HttpRequest, pace: StreamTimeouts) -> StreamingResponse:
        """One attempt whose answer is read as it comes.

        :raises GatewayError: as ``send`` and ``ConnectionPool.open``.
        """
        if pace.deadline <= self._clock.now():
            raise DeadlineExceeded
        try:
            return self._adapter(request).open(
                _prepared(request), request.upload, pace, request.lines
            )
        except (ConnectTimeout, ReadTimeout) as error:
            if self._clock.now() >= pace.deadline:
                raise DeadlineExceeded from error
            raise

    def close(self) -> None:
        self._session.close()

    def _adapter(self, request: HttpRequest) -> ConnectionPool:
        return cast(ConnectionPool, self._session.get_adapter(request.base_url + "/"))


def _prepared(request: HttpRequest) -> PreparedRequest:
    prepared = PreparedRequest()
    prepared.method, prepared.url, prepared.body = request.verb, request.url, request.body
    prepared.headers = CaseInsensitiveDict(request.headers)
    return prepared


class _Interruptible(ConnectionPool):
    """Closing it also ends the exchanges that are under way, with a ``ConnectionLost``."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._busy: set[Connection] = set()

    def _exchange(self, connection: Connection, *of: Any) -> tuple[TimedResponse, float]:
        self._busy.add(connection)
        try:
            if self._pool.closed:
                raise ConnectionLost(detail="closed")
            return super()._exchange(connection, *of)
        finally:
            self._busy.discard(connection)

    def close(self) -> None:
        super().close()
        for connection in list(self._busy):
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)


def long_poll_channel(url: str, max_response: int, clock: Clock, tls: Tls = NO_TLS) -> Channel:
    """A channel beside all services, for answers that take their time: ``close`` does not wait for them.

    Its place is the operator's own setting and may be in a private network; it is reached without a proxy.

    :param max_response: bytes of one answer.
    """
    origin = _origin(url)
    context = LiveContext(tls, Trust(), clock, lambda _: None)
    connector = Connector(origin, context.get, clock, Resolver(clock), allow_private=True)
    return Channel({origin: _Interruptible(origin, connector, max_response, 1, clock)}, clock)


@dataclass(frozen=True)
class Outbound:
    """How calls leave, for all services that say nothing else."""

    trust: Trust = field(default_factory=Trust)
    proxy: Proxy | None = None
    no_proxy: NoProxy = field(default_factory=NoProxy)


class Client:
    """Channels by service, kept over reloads as long as what they are made of stays the same.

    :param warn: is told of TLS files that cannot be used.
    """

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver,
        outbound: Outbound | None = None,
        warn: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._outbound = outbound or Outbound()
        self._certificates = Certificates(clock, self._outbound.trust, warn)
        self._channels: dict[tuple[object, ...], Channel] = {}

    def channel(self, service: Service) -> Channel:
        key = _key(service)
        if key not in self._channels:
            size = service.concurrency or DEFAULT_POOL_SIZE
            adapters = {}
            for origin in {_origin(url) for url in service.urls}:
                connector = self._connector(service, origin)
                adapters[origin] = ConnectionPool(
                    origin, connector, service.max_response, size, self._clock
                )
            self._channels[key] = Channel(adapters, self._clock)
        return self._channels[key]

    def retain(self, services: Iterable[Service]) -> None:
        """Close what no service uses any more; calls in flight finish on their connections."""
        kept = tuple(services)
        wanted = {_key(service) for service in kept}
        for key in self._channels.keys() - wanted:
            self._channels.pop(key).close()
        self._certificates.retain({service.tls for service in kept})

    def _connector(self, service: Service, origin: str) -> Connector:
        return Connector(
            origin,
            self._certificates.context(service.tls).get,
            self._clock,
            self._resolver,
            allow_private=service.allow_private,
            proxy=self._proxy(service, origin),
        )

    def _proxy(self, service: Service, origin: str) -> Proxy | None:
        """The service's own, or the one for all, unless the origin's host needs none."""
        proxy = self._outbound.proxy if service.egress_proxy is None else service.egress_proxy
        parts = urlsplit(origin)
        place = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        return None if proxy == DIRECT or place in self._outbound.no_proxy else proxy


def _key(service: Service) -> tuple[object, ...]:
    return (
        service.name,
        service.urls,
        service.tls,
        service.max_response,
        service.concurrency,
        service.allow_private,
        service.egress_proxy,
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
