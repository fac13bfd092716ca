"""Connect to one origin: look the name up, check its addresses, and connect to just those.

Nothing looks the name up again between check and connection, so that a resolver cannot change its
mind (DNS rebinding).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from gateway.catalog.address_ranges import is_private, is_private_host
from gateway.catalog.egress_proxy import Proxy
from gateway.clock import Clock
from gateway.errors import (
    AddressRefused,
    ConnectFailed,
    ConnectTimeout,
    GatewayError,
    OutOfResources,
    ProxyFailed,
)
from gateway.http.connect.connection import Connection
from gateway.http.connect.happy_eyeballs import Dialler
from gateway.http.connect.resolver import Address, Resolver
from gateway.http.connect.tunnel import open_tunnel
from gateway.http_messages import DEFAULT_PORTS
from gateway.system import is_exhaustion


class Connector:
    """Connects to one origin (scheme, host, port), directly or by way of a proxy.

    :param tls: returns the context of a new connection, for an origin of ``https``.
    :param allow_private: connect to addresses that are not the internet's, too. A proxy looks names
        up by itself, so that behind one only a host written as such an address is refused; the
        proxy's own address may be anywhere.
    :ivar forward_proxy: requests are addressed to it, in absolute form; those of https pass through
        it unseen.
    """

    def __init__(
        self,
        origin: str,
        tls: Callable[[], ssl.SSLContext],
        clock: Clock,
        resolver: Resolver,
        *,
        allow_private: bool,
        proxy: Proxy | None = None,
    ) -> None:
        self._host, self._port = host_and_port(origin)
        self._tls = tls if urlsplit(origin).scheme == "https" else None
        self._clock = clock
        self._resolver = resolver
        self._dialler = Dialler(clock)
        self._allow_private = allow_private
        self._proxy = proxy
        self.forward_proxy = None if self._tls else proxy

    def connect(self, timeout: float) -> Connection:
        """Return a new connection to whichever of the name's addresses answers first.

        :param timeout: seconds for all of it, the look-up, the proxy's answer and TLS included.
        :raises ConnectFailed: not a byte of a request was sent.
        :raises OutOfResources: we have nothing left to connect with.
        """
        until = self._clock.now() + timeout
        addresses = self._addresses(timeout)
        try:
            return self._connect(self._dialler.sort(addresses), until)
        except TimeoutError as error:
            raise ConnectTimeout(detail=str(error)) from error
        except (OSError, MemoryError) as error:  # ssl.SSLError is an OSError too
            raise connect_error(error) from error

    def _addresses(self, timeout: float) -> list[Address]:
        """Return the addresses to connect to: the host's, or its proxy's."""
        if self._proxy is None:
            return self._filter(self._resolver.addresses(self._host, self._port, timeout))
        if not self._allow_private and is_private_host(self._host):
            raise _refusal(self._host)
        try:
            return self._resolver.addresses(self._proxy.host, self._proxy.port, timeout)
        except ConnectFailed as error:
            raise ProxyFailed(detail=f"{self._proxy.name}: {error.detail}") from error

    def _filter(self, addresses: list[Address]) -> list[Address]:
        if self._allow_private:
            return addresses
        allowed = [address for address in addresses if not is_private(address.host)]
        if not allowed:
            raise _refusal(addresses[0].host)
        return allowed

    def _connect(self, addresses: list[Address], until: float) -> Connection:
        """Connect, and do what comes after TCP; where that fails, try the remaining addresses."""
        while True:
            sock, address = self._dial(addresses, until)
            try:
                return self._prepare(sock, until)
            except OSError:
                sock.close()
                self._dialler.demote(address)
                addresses.remove(address)
                if not addresses or self._clock.now() >= until:
                    raise
            except GatewayError:
                sock.close()
                raise

    def _dial(self, addresses: list[Address], until: float) -> tuple[socket.socket, Address]:
        try:
            return self._dialler.dial(addresses, until)
        except OSError as error:
            if self._proxy is None or is_exhaustion(error):
                raise
            raise ProxyFailed(
                detail=f"{self._proxy.name}: {type(error).__name__}: {error}"
            ) from error

    def _prepare(self, sock: socket.socket, until: float) -> Connection:
        connection = Connection(sock, self._clock)
        if self._tls is None:
            return connection
        if self._proxy:
            open_tunnel(connection, self._proxy, self._host, self._port, until)
        return self._handshake(sock, self._tls(), until)

    def _handshake(self, sock: socket.socket, tls: ssl.SSLContext, until: float) -> Connection:
        # A name that ends in a dot is DNS's way of saying that it is complete.
        name = self._host.removesuffix(".")
        wrapped = tls.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
        connection = Connection(wrapped, self._clock)
        try:
            connection.with_deadline(until, wrapped.do_handshake)
        except BaseException:
            wrapped.close()
            raise
        return connection


def connect_error(error: OSError | MemoryError) -> ConnectFailed | OutOfResources:
    """Return what it means that no byte of a request could be sent."""
    kind = OutOfResources if is_exhaustion(error) else ConnectFailed
    return kind(detail=f"{type(error).__name__}: {error}")


def host_and_port(url: str) -> tuple[str, int]:
    """Return where a URL leads; the port is its scheme's unless it has one."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]


def _refusal(address: str) -> AddressRefused:
    return AddressRefused(
        detail=f"{address} is no public address, and the service does not say allow_private"
    )
