"""Connections to one origin: the name is looked up, its addresses are checked, and those very addresses connected to.

Nothing looks the name up again between check and connection, so that a resolver cannot change its mind (DNS rebinding).
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, cast
from urllib.parse import urlsplit

from gateway.clock import Clock
from gateway.egress import inside
from gateway.errors import AddressRefused, CallerGone, ConnectFailed, ConnectTimeout
from gateway.stream import Watch

CHUNK = 65536  # bytes a single recv may bring
_RESOLVER = ThreadPoolExecutor(8, "dns")  # getaddrinfo knows no timeout; its threads start with the first look-up


class Connection:
    """A connected socket, plain or TLS, on which every step ends at an instant."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self.sock = sock
        self._clock = clock
        self._tls = isinstance(sock, ssl.SSLSocket)

    def send(self, data: bytes | memoryview, until: float) -> int:
        """How many bytes were taken."""
        if self._tls:
            return cast(int, self.patiently(until, self.sock.send, data))
        self.sock.settimeout(left(self._clock, until))
        return self.sock.send(data)

    def receive(self, until: float, watch: Watch | None = None) -> bytes:
        """:raises CallerGone: ``watch`` says so."""
        if self._tls or watch:
            return cast(bytes, self.patiently(until, self.sock.recv, CHUNK, watch=watch))
        self.sock.settimeout(left(self._clock, until))
        return self.sock.recv(CHUNK)

    def patiently(self, until: float, work: Callable[..., Any], *args: object, watch: Watch | None = None) -> Any:
        """One step, which under TLS may take several reads and writes; a socket's own timeout begins anew with each."""
        self.sock.settimeout(0)
        while True:
            try:
                return work(*args)
            except (BlockingIOError, ssl.SSLWantReadError):
                watch = self._await(select.POLLIN, until, watch)
            except ssl.SSLWantWriteError:
                watch = self._await(select.POLLOUT, until, watch)

    def _await(self, event: int, until: float, watch: Watch | None) -> Watch | None:
        """Wait for the socket; who is to be watched from then on."""
        poll = select.poll()
        poll.register(self.sock, event)
        if watch:
            poll.register(watch.fileno(), select.POLLIN)
        ready = poll.poll(left(self._clock, until) * 1000)
        if not ready:
            raise TimeoutError("time is up")
        if not watch or all(each == self.sock.fileno() for each, _ in ready):
            return watch
        if watch.gone():
            raise CallerGone
        return None  # it has sent its next request already: that it ends can no longer be seen

    def at_hand(self) -> bytes | None:
        """What has come and was not read yet, nothing if the other side has hung up; None if nothing has."""
        self.sock.settimeout(0)
        try:
            return self.sock.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None

    def quiet(self) -> bool:
        """Whether it is still open and silent while nobody uses it; a hang-up or a late byte makes it useless."""
        try:
            return self.at_hand() is None
        except OSError:
            return False

    def close(self) -> None:
        self.sock.close()


class Connector:
    """Connects to one origin (scheme, host, port).

    :param tls: for an origin of ``https``.
    :param allow_private: connect to addresses that are not the internet's, too.
    """

    def __init__(self, origin: str, tls: ssl.SSLContext | None, clock: Clock, *, allow_private: bool) -> None:
        parts = urlsplit(origin)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = tls if parts.scheme == "https" else None
        self._clock, self._allow_private = clock, allow_private

    def connect(self, timeout: float) -> Connection:
        """:raises ConnectFailed: not a byte of a request was sent."""
        until = self._clock.now() + timeout
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in self._allowed(self._resolve(timeout)):
            sock = None
            try:
                sock = socket.socket(family, kind, protocol)
                sock.settimeout(left(self._clock, until))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return self._handshake(sock, until) if self._tls else Connection(sock, self._clock)
            except OSError as error:  # ssl.SSLError and timeouts are OSErrors too
                failure = error
                if sock:
                    sock.close()
        if isinstance(failure, TimeoutError):
            raise ConnectTimeout(detail=str(failure)) from failure
        raise ConnectFailed(detail=f"{type(failure).__name__}: {failure}") from failure

    def _allowed(self, found: list[Any]) -> list[Any]:
        if self._allow_private:
            return found
        allowed = [each for each in found if not inside(each[4][0])]
        if found and not allowed:
            address = found[0][4][0]
            raise AddressRefused(detail=f"{address} is no public address, and the service does not say allow_private")
        return allowed

    def _handshake(self, sock: socket.socket, until: float) -> Connection:
        assert self._tls is not None
        wrapped = self._tls.wrap_socket(sock, server_hostname=self._host, do_handshake_on_connect=False)
        connection = Connection(wrapped, self._clock)
        try:
            connection.patiently(until, wrapped.do_handshake)
        except BaseException:
            wrapped.close()
            raise
        return connection

    def _resolve(self, timeout: float) -> list[Any]:
        try:
            return socket.getaddrinfo(self._host, self._port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        except (socket.gaierror, UnicodeError):
            pass  # a name, not an address
        found: Future[list[Any]] = _RESOLVER.submit(socket.getaddrinfo, self._host, self._port, 0, socket.SOCK_STREAM)
        try:
            return found.result(timeout)
        except FutureTimeout as error:
            found.cancel()
            raise ConnectTimeout(detail=f"DNS: no answer for {self._host}") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: not a possible host name
            raise ConnectFailed(detail=f"DNS: {error}") from error


def left(clock: Clock, until: float) -> float:
    """Seconds.

    :raises TimeoutError: there are none.
    """
    seconds = until - clock.now()
    if seconds <= 0:
        raise TimeoutError("time is up")
    return seconds
