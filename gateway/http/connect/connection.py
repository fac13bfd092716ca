"""Connections to one origin: look the name up, check its addresses, and connect to just those.

Nothing looks the name up again between check and connection, so that a resolver cannot change its
mind (DNS rebinding).
"""

from __future__ import annotations

import math
import select
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

from greenlet import getcurrent

from gateway.catalog.egress_proxy import Proxy
from gateway.catalog.private_addresses import inside, inside_literally
from gateway.clock import Clock
from gateway.errors import (
    AddressRefused,
    CallerGone,
    ConnectFailed,
    ConnectTimeout,
    GatewayError,
    OutOfResources,
    ProxyFailed,
)
from gateway.http.connect.happy_eyeballs import Dialler, remaining_seconds
from gateway.http.connect.resolver import Address, Resolver
from gateway.http.connect.tunnel import open_tunnel
from gateway.streams import CallerWatch
from gateway.system import is_exhaustion

CHUNK_BYTES = 65536  # bytes a single recv may bring


class Connection:
    """A connected socket, plain or TLS, on which every step ends at an instant.

    :ivar opened_at: the instant at which it was connected.
    :ivar use_count: exchanges that it has served; the other side may have said that it takes
        ``max_uses``.
    """

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        sock.settimeout(0)  # for good: who waits for it waits here
        self.sock = sock
        self.opened_at = clock.now()
        self.use_count = 0
        self.max_uses = math.inf
        self._clock = clock
        self._tls = isinstance(sock, ssl.SSLSocket)
        #: What it does without a wait: gevent's sockets are Python around one of C.
        self._raw = sock if self._tls else getattr(sock, "_sock", sock)
        self._hub = getattr(sock, "hub", None)  # gevent's
        self._answer_is_due = False

    def send(self, data: bytes | memoryview, until: float) -> int:
        """Send a first part of the data, and return how many bytes were taken."""
        self._answer_is_due = True
        if self._tls:
            # gevent returns 0 where ssl raises SSLWantWriteError.
            while not (sent := self.with_deadline(until, self.sock.send, data)):
                self._await(select.POLLOUT, until, None)
            return cast(int, sent)
        if until <= self._clock.now():
            raise TimeoutError("time is up")
        while True:
            try:
                size: int = self._raw.send(data)
                return size
            except BlockingIOError:
                self._await(select.POLLOUT, until, None)

    def send_all(self, data: memoryview, until: float) -> None:
        while data:
            data = data[self.send(data, until) :]

    def receive(self, until: float, watch: CallerWatch | None = None) -> bytes:
        """Return what comes next; nothing once the other side has hung up.

        :raises CallerGone: ``watch`` says so.
        """
        if self._tls or watch:
            return cast(bytes, self.with_deadline(until, self._raw.recv, CHUNK_BYTES, watch=watch))
        waits = self._answer_is_due  # which has hardly come yet
        self._answer_is_due = False
        while True:
            if waits:
                self._await(select.POLLIN, until, None)
            try:
                data: bytes = self._raw.recv(CHUNK_BYTES)
                return data
            except BlockingIOError:
                waits = True

    def with_deadline(
        self,
        until: float,
        step: Callable[..., Any],
        *args: object,
        watch: CallerWatch | None = None,
    ) -> Any:
        """Do one step, which under TLS may take several reads and writes.

        A socket's own timeout would begin anew with each of them.
        """
        while True:
            try:
                return step(*args)
            except (BlockingIOError, ssl.SSLWantReadError):
                watch = self._await(select.POLLIN, until, watch)
            except ssl.SSLWantWriteError:
                watch = self._await(select.POLLOUT, until, watch)

    def _await(self, event: int, until: float, watch: CallerWatch | None) -> CallerWatch | None:
        """Wait for the socket, and return who is to be watched from then on."""
        if self._hub and not watch:
            self._await_in_hub(event, remaining_seconds(self._clock, until))
            return None
        poll = select.poll()
        poll.register(self.sock, event)
        if watch:
            poll.register(watch.fileno(), select.POLLIN)
        ready = poll.poll(remaining_seconds(self._clock, until) * 1000)
        if not ready:
            raise TimeoutError("time is up")
        if not watch or all(descriptor == self.sock.fileno() for descriptor, _ in ready):
            return watch
        if watch.gone():
            raise CallerGone
        return None  # it has sent its next request already: that it ends can no longer be seen

    def _await_in_hub(self, event: int, seconds: float) -> None:
        """Wait as gevent's sockets do, with a tenth of the Python that their timeout takes."""
        sock: Any = self.sock
        hub: Any = self._hub
        watcher = sock._read_event if event == select.POLLIN else sock._write_event
        timer = hub.loop.timer(seconds)
        timer.start(getcurrent().throw, TimeoutError("time is up"))
        try:
            hub.wait(watcher)
        finally:
            timer.stop()
            timer.close()

    def read_available(self) -> bytes | None:
        """Return what has come and was not read yet, None if that is nothing.

        It is empty once the other side has hung up.
        """
        try:
            data: bytes = self._raw.recv(CHUNK_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        return data

    def is_reusable(self) -> bool:
        """Return whether it is still open and silent while nobody uses it.

        A hang-up or a late byte makes it useless.
        """
        try:
            self._raw.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        self.sock.close()


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
            kind = OutOfResources if is_exhaustion(error) else ConnectFailed
            raise kind(detail=f"{type(error).__name__}: {error}") from error

    def _addresses(self, timeout: float) -> list[Address]:
        """Return the addresses to connect to: the host's, or its proxy's."""
        if self._proxy is None:
            return self._allowed(self._resolver.addresses(self._host, self._port, timeout))
        if not self._allow_private and inside_literally(self._host):
            raise _refused(self._host)
        try:
            return self._resolver.addresses(self._proxy.host, self._proxy.port, timeout)
        except ConnectFailed as error:
            raise ProxyFailed(detail=f"{self._proxy.name}: {error.detail}") from error

    def _allowed(self, addresses: list[Address]) -> list[Address]:
        if self._allow_private:
            return addresses
        allowed = [address for address in addresses if not inside(address.host)]
        if not allowed:
            raise _refused(addresses[0].host)
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
        """Return a connection on which requests may be sent."""
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


def host_and_port(url: str) -> tuple[str, int]:
    """Return where a URL leads; the port is its scheme's unless it has one."""
    parts = urlsplit(url)
    usual = 443 if parts.scheme == "https" else 80
    return parts.hostname or "", parts.port or usual


def _refused(address: str) -> AddressRefused:
    return AddressRefused(
        detail=f"{address} is no public address, and the service does not say allow_private"
    )
