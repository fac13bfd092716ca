"""The client: pools of connections for each service, and the only way out."""

from __future__ import annotations

import socket
import weakref
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from gateway.catalog.egress_proxy import DIRECT, Proxy
from gateway.catalog.model import Service, Tls
from gateway.catalog.registry_names import RegistryName
from gateway.clock import Clock
from gateway.errors import ConnectionLost
from gateway.http.channel import Channel, ConnectionPool, origin_of
from gateway.http.connect.certificates import Certificates, LiveContext, Trust
from gateway.http.connect.connection import Connection
from gateway.http.connect.connector import Connector, host_and_port
from gateway.http.connect.resolver import Resolver
from gateway.http.discovered import Directory, DiscoveredChannel, InstanceCount
from gateway.http.outbound import Outbound
from gateway.http_messages import HttpResponse

NO_TLS = Tls()
#: Idle connections of a service's pool, unless its ``concurrency`` says otherwise.
DEFAULT_POOL_SIZE = 100


class _InterruptiblePool(ConnectionPool):
    """Closing it also ends the exchanges that are under way, with a ``ConnectionLost``."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._busy: set[Connection] = set()

    def read_whole(self, connection: Connection, *exchange: Any) -> HttpResponse:
        self._busy.add(connection)
        try:
            if self._idle.closed:
                connection.close()
                raise ConnectionLost(detail="closed")
            return super().read_whole(connection, *exchange)
        finally:
            self._busy.discard(connection)

    def close(self) -> None:
        super().close()
        for connection in list(self._busy):
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)


def long_poll_channel(url: str, max_response: int, clock: Clock, tls: Tls = NO_TLS) -> Channel:
    """Return a channel for answers that take their time; ``close`` does not wait for them.

    Its URL is an operator's setting: it may be in a private network, and no proxy leads there.

    :param max_response: bytes of one answer.
    """
    origin = origin_of(url)
    context = LiveContext(tls, Trust(), clock, lambda _: None)
    connector = Connector(origin, context.get, clock, Resolver(clock), allow_private=True)
    pool = _InterruptiblePool(origin, connector, max_response, 1, clock)
    return Channel({origin: pool}, clock)


class Client:
    """Channels by service, kept over reloads as long as what they are made of stays the same.

    :param warn: called with what is wrong with TLS files that cannot be used.
    :param directory: finds the instances of services that a registry knows.
    """

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver,
        outbound: Outbound | None = None,
        warn: Callable[[str], object] = lambda _: None,
        directory: Directory | None = None,
    ) -> None:
        self._clock = clock
        self._directory = directory
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
        if RegistryName.read(service.base_urls[0]):
            assert self._directory  # who loads such a catalog has one
            instances = self._directory.instances(service.base_urls[0])
            make_pool = partial(self._make_pool, service)
            return DiscoveredChannel(service.urls, instances, make_pool, self._clock)
        origins = {origin_of(url) for url in service.urls}
        return Channel(
            {origin: self._make_pool(service, origin) for origin in origins}, self._clock
        )

    def _make_pool(self, service: Service, origin: str) -> ConnectionPool:
        connector = Connector(
            origin,
            self._certificates.context(service.tls).get,
            self._clock,
            self._resolver,
            allow_private=service.allow_private,
            proxy=self._proxy(service, origin),
        )
        size = service.concurrency or DEFAULT_POOL_SIZE
        return ConnectionPool(origin, connector, service.max_response, size, self._clock)

    def start(self) -> None:
        """Begin to ask the registries that services name. After the fork."""
        if self._directory:
            self._directory.start()

    def instances(self, service: Service) -> InstanceCount | None:
        """Return how many instances a service has; None where no registry is asked."""
        channel = self._channels.get(_key(service))
        if isinstance(channel, DiscoveredChannel):
            return channel.instances.count()
        return None

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
        if self._directory:
            self._directory.retain({url for service in services for url in service.base_urls})

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
