"""The client: pools of connections for each service, and the only way out."""

from __future__ import annotations

import socket
import weakref
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from gateway.catalog.egress_proxy import DIRECT, Proxy
from gateway.catalog.model import Service, Timeout, Tls
from gateway.clock import Clock
from gateway.errors import ConnectionLost, ConnectTimeout, DeadlineExceeded, ReadTimeout
from gateway.http.certificates import Certificates, LiveContext, Trust
from gateway.http.connection import Connection, Connector, host_and_port
from gateway.http.outbound import Outbound
from gateway.http.pool import ConnectionPool
from gateway.http.resolver import Resolver
from gateway.http.streaming_response import ExchangeTimeouts, StreamingResponse
from gateway.messages import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from requests import Session

NO_TLS = Tls()
#: Idle connections of a service's pool, unless its ``concurrency`` says otherwise.
DEFAULT_POOL_SIZE = 50


class Channel:
    """The way to one place, behind these pools by origin.

    channel.send(request, timeout, deadline)  # HttpRequest -> HttpResponse
    channel.session.get(url, timeout=5)  # requests.Request -> requests.Response
    """

    def __init__(self, pools: Mapping[str, ConnectionPool], clock: Clock) -> None:
        self._clock = clock
        self._now = clock.now
        self.pools = pools
        self._by_origin = pools
        self._pools: dict[str, ConnectionPool] = {}  # by the base URLs that were asked for

    @cached_property
    def session(self) -> Session:
        """What sends by the same pools, for callers who speak ``requests``."""
        from gateway.http.requests_session import make_session

        return make_session(self._by_origin.values(), self._clock)

    def send(self, request: HttpRequest, timeout: Timeout, deadline: float) -> HttpResponse:
        """Make one attempt, within its own timeout and the call's deadline.

        :raises DeadlineExceeded: the deadline came first.
        :raises DownstreamError: see ``ConnectionPool.exchange``.
        """
        if deadline <= self._now():
            raise DeadlineExceeded
        pool = self._pools.get(request.base_url) or self._pool(request.base_url)
        try:
            return pool.exchange(request, timeout, deadline)
        except (ConnectTimeout, ReadTimeout) as error:
            if self._now() >= deadline:
                raise DeadlineExceeded from error
            raise

    def open(self, request: HttpRequest, timeouts: ExchangeTimeouts) -> StreamingResponse:
        """Make one attempt up to the first byte of the answer's body; the rest comes as it is read.

        :raises GatewayError: as ``send``; a ``CallerError`` where the upload raises it or the
            caller has gone.
        """
        if timeouts.deadline <= self._now():
            raise DeadlineExceeded
        pool = self._pools.get(request.base_url) or self._pool(request.base_url)
        try:
            return pool.open(request, timeouts)
        except (ConnectTimeout, ReadTimeout) as error:
            if self._now() >= timeouts.deadline:
                raise DeadlineExceeded from error
            raise

    def close(self) -> None:
        for pool in self._by_origin.values():
            pool.close()

    def _pool(self, base_url: str) -> ConnectionPool:
        pool = self._by_origin[_origin(base_url)]
        self._pools[base_url] = pool
        return pool


class _InterruptiblePool(ConnectionPool):
    """Closing it also ends the exchanges that are under way, with a ``ConnectionLost``."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._busy: set[Connection] = set()

    def _read_whole(self, connection: Connection, *exchange: Any) -> HttpResponse:
        self._busy.add(connection)
        try:
            if self._idle.closed:
                connection.close()
                raise ConnectionLost(detail="closed")
            return super()._read_whole(connection, *exchange)
        finally:
            self._busy.discard(connection)

    def close(self) -> None:
        super().close()
        for connection in list(self._busy):
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)


def long_poll_channel(url: str, max_response: int, clock: Clock, tls: Tls = NO_TLS) -> Channel:
    """Return a channel beside all services, for answers that take their time.

    ``close`` does not wait for them.

    Its URL is the operator's own setting and may be in a private network; it is reached without a
    proxy.

    :param max_response: bytes of one answer.
    """
    origin = _origin(url)
    context = LiveContext(tls, Trust(), clock, lambda _: None)
    connector = Connector(origin, context.get, clock, Resolver(clock), allow_private=True)
    pool = _InterruptiblePool(origin, connector, max_response, 1, clock)
    return Channel({origin: pool}, clock)


class Client:
    """Channels by service, kept over reloads as long as what they are made of stays the same.

    :param warn: called with what is wrong with TLS files that cannot be used.
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
        # Of hosts that callers choose: they go with the last method that has called there.
        self._at_hosts: WeakValueDictionary[tuple[object, ...], Channel] = WeakValueDictionary()

    def channel(self, service: Service) -> Channel:
        """Return the service's channel, made at first."""
        key = _key(service)
        if service.host:
            return self._channel_at_host(key, service)
        if key not in self._channels:
            self._channels[key] = self._make_channel(service)
        return self._channels[key]

    def _channel_at_host(self, key: tuple[object, ...], service: Service) -> Channel:
        channel = self._at_hosts.get(key)
        if channel is None:
            channel = self._at_hosts[key] = self._make_channel(service)
            weakref.finalize(channel, _close_all, channel.pools)
        return channel

    def _make_channel(self, service: Service) -> Channel:
        size = service.concurrency or DEFAULT_POOL_SIZE
        pools = {}
        for origin in {_origin(url) for url in service.urls}:
            connector = self._connector(service, origin)
            pools[origin] = ConnectionPool(
                origin, connector, service.max_response, size, self._clock
            )
        return Channel(pools, self._clock)

    def retain(self, services: Collection[Service]) -> None:
        """Close what no service uses any more; calls in flight finish on their connections."""
        used = {_key(service) for service in services}
        for key in self._channels.keys() - used:
            self._channels.pop(key).close()
        names = {service.name for service in services}
        for key, channel in list(self._at_hosts.items()):
            if key[0] not in names:
                channel.close()
        self._certificates.retain({service.tls for service in services})

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
        """Return the service's own proxy, or everybody's unless the origin's host needs none."""
        proxy = service.egress_proxy
        if proxy is None:
            proxy = self._outbound.proxy
        if proxy == DIRECT or host_and_port(origin) in self._outbound.no_proxy:
            return None
        return proxy


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


def _close_all(pools: Mapping[str, ConnectionPool]) -> None:
    for pool in pools.values():
        pool.close()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
