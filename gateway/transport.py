"""A transport adapter for ``requests`` over pooled sockets, with a deadline that holds to the last byte.

Why not ``HTTPAdapter``: its read timeout is per ``recv`` (a body that trickles outlives any timeout), its errors do
not say whether a byte of the request was sent, and it costs several times as much CPU per call. HTTP/1.1 is parsed
by httptools. Safe under threads and greenlets: a connection belongs to one call at a time; no lock is held.
"""

from __future__ import annotations

import itertools
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, cast
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from gateway.answer import Answer
from gateway.clock import Clock
from gateway.errors import ConnectFailed, ConnectTimeout, ReadTimeout

CHUNK = 65536  # bytes a single recv may bring
RECORD = 16384  # bytes of one TLS record: of a first send that failed, the other side can have read nothing
IDLE_SECONDS = 50.0  # below the 60 to 75 s after which most servers hang up on an idle connection
_RESOLVER = ThreadPoolExecutor(8, "dns")  # getaddrinfo knows no timeout; its threads start with the first look-up

Address = tuple[Any, ...]


class PooledAdapter(BaseAdapter):
    """Sends to one origin (scheme, host, port) and keeps its idle connections.

    :param max_response: bytes of one answer's body, after decompression; more is a ``BadResponse``.
    :param pool_size: idle connections kept; more may be in use at once.
    """

    def __init__(
        self, origin: str, tls: ssl.SSLContext | None, max_response: int, pool_size: int, clock: Clock
    ) -> None:
        super().__init__()
        parts = urlsplit(origin)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = tls if parts.scheme == "https" else None
        self._origin_length = len(origin)
        self._host_line = f"Host: {parts.netloc}\r\n"
        self._max_response = max_response
        self._clock = clock
        self._idle: deque[tuple[socket.socket, float]] = deque(maxlen=pool_size)
        self._closed = False

    def send(self, request: PreparedRequest, *_: object, timeout: Any = None, **__: object) -> Response:
        """One exchange; the answer's body is read whole.

        :param timeout: ``(connect, read, total)`` seconds; ``read`` runs from connected to the last byte.
        :raises ConnectFailed: not a byte of the request was sent.
        :raises OutcomeUnknown: it was sent; no whole answer came back.
        :raises BadResponse: what came back is not HTTP, is cut short, or is larger than ``max_response``.
        """
        connect, read, total = timeout
        until = self._clock.now() + total
        wire = self._wire(request)
        while (reused := self._take()) is not None:
            try:
                return self._exchange(reused, request, wire, min(until, self._clock.now() + read))
            except _NothingSent:
                continue  # it went stale in the pool; nothing was lost but this connection
        fresh = self._connect(min(connect, total))
        try:
            return self._exchange(fresh, request, wire, min(until, self._clock.now() + read))
        except _NothingSent as error:
            raise ConnectFailed(detail=str(error)) from error

    def close(self) -> None:
        """Close idle connections; those in use are closed when their call ends."""
        self._closed = True
        while self._idle:
            self._idle.pop()[0].close()

    def _wire(self, request: PreparedRequest) -> bytes:
        target = (request.url or "")[self._origin_length :] or "/"
        lines = [f"{request.method} {target} HTTP/1.1\r\n", self._host_line]
        lines += [f"{name}: {value}\r\n" for name, value in request.headers.items()]
        body = request.body
        if body or request.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body or b'')}\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1") + (body or b"")  # type: ignore[operator]

    def _take(self) -> socket.socket | None:
        """The idle connection used last that is still open."""
        while self._idle:
            try:
                sock, since = self._idle.pop()
            except IndexError:  # another call took the last one
                return None
            if self._clock.now() - since < IDLE_SECONDS and _quiet(sock):
                return sock
            sock.close()
        return None

    def _give_back(self, sock: socket.socket) -> None:
        if self._closed or len(self._idle) == self._idle.maxlen:
            sock.close()
        else:
            self._idle.append((sock, self._clock.now()))

    def _connect(self, timeout: float) -> socket.socket:
        until = self._clock.now() + timeout
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in self._resolve(timeout):
            sock = None
            try:
                sock = socket.socket(family, kind, protocol)
                sock.settimeout(self._left(until))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return self._handshake(sock, until) if self._tls else sock
            except OSError as error:  # ssl.SSLError and timeouts are OSErrors too
                failure = error
                if sock:
                    sock.close()
        if isinstance(failure, TimeoutError):
            raise ConnectTimeout(detail=str(failure)) from failure
        raise ConnectFailed(detail=f"{type(failure).__name__}: {failure}") from failure

    def _handshake(self, sock: socket.socket, until: float) -> socket.socket:
        assert self._tls is not None
        wrapped = self._tls.wrap_socket(sock, server_hostname=self._host, do_handshake_on_connect=False)
        try:
            self._patiently(wrapped, until, wrapped.do_handshake)
        except BaseException:
            wrapped.close()
            raise
        return wrapped

    def _patiently(self, sock: socket.socket, until: float, work: Callable[..., Any], *args: object) -> Any:
        """One step of TLS, which may take several reads and writes; a socket's own timeout begins anew with each."""
        sock.settimeout(0)
        while True:
            try:
                return work(*args)
            except ssl.SSLWantReadError:
                self._await(sock, select.POLLIN, until)
            except ssl.SSLWantWriteError:
                self._await(sock, select.POLLOUT, until)

    def _await(self, sock: socket.socket, event: int, until: float) -> None:
        poll = select.poll()
        poll.register(sock, event)
        if not poll.poll(self._left(until) * 1000):
            raise TimeoutError("time is up")

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

    def _left(self, until: float) -> float:
        left = until - self._clock.now()
        if left <= 0:
            raise TimeoutError("time is up")
        return left

    def _exchange(self, sock: socket.socket, request: PreparedRequest, wire: bytes, until: float) -> Response:
        """Write, then read; whatever goes wrong, the connection is closed."""
        answer = Answer(request.method == "HEAD", self._max_response)
        try:
            self._write(sock, wire, until)
            self._read(sock, answer, until)
            response = answer.response(request)
        except TimeoutError as error:
            sock.close()
            raise ReadTimeout(detail=str(error)) from error
        except OSError as error:
            sock.close()
            raise answer.lost(error) from error
        except BaseException:
            sock.close()
            raise
        if answer.reusable:
            self._give_back(sock)
        else:
            sock.close()
        return response

    def _write(self, sock: socket.socket, wire: bytes, until: float) -> None:
        try:
            sent = self._send(sock, wire[:RECORD], until)
        except TimeoutError as error:
            raise ConnectTimeout(detail=str(error)) from error  # connected, but there was no time left to send
        except OSError as error:
            raise _NothingSent(f"{type(error).__name__}: {error}") from error
        while sent < len(wire):
            sent += self._send(sock, wire[sent : sent + CHUNK], until)

    def _send(self, sock: socket.socket, data: bytes, until: float) -> int:
        if self._tls:
            return cast(int, self._patiently(sock, until, sock.send, data))
        sock.settimeout(self._left(until))
        return sock.send(data)

    def _receive(self, sock: socket.socket, until: float) -> bytes:
        if self._tls:
            return cast(bytes, self._patiently(sock, until, sock.recv, CHUNK))
        sock.settimeout(self._left(until))
        return sock.recv(CHUNK)

    def _read(self, sock: socket.socket, answer: Answer, until: float) -> None:
        for reads in itertools.count(1):
            data = self._receive(sock, until)
            if not data:
                return answer.ended()
            answer.feed(data)
            if answer.done:
                return None
            if reads % 8 == 0:
                self._clock.sleep(0)  # a service that sends without a pause would keep every other greenlet waiting
        return None


class _NothingSent(Exception):
    """The first ``send`` failed: the kernel took no byte of the request."""


def _quiet(sock: socket.socket) -> bool:
    """Whether an idle connection is still open and silent; a hang-up or a late byte makes it useless."""
    try:
        sock.settimeout(0)
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False
