"""A transport adapter for ``requests`` over pooled sockets, with a deadline that holds to the last byte.

Why not ``HTTPAdapter``: its read timeout is per ``recv`` (a body that trickles outlives any timeout), its errors do
not say whether a byte of the request was sent, and it costs several times as much CPU per call.
Safe under threads and greenlets: a connection belongs to one call at a time; no lock is held.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

from requests import PreparedRequest
from requests.adapters import BaseAdapter

from gateway.clock import Clock, Pause
from gateway.errors import ConnectFailed, ConnectTimeout, OutOfResources, ReadTimeout
from gateway.http.connection import CHUNK_BYTES, Connection, Connector
from gateway.http.response_parser import ResponseParser, StreamingResponseParser, TimedResponse
from gateway.http.streaming_response import StreamingResponse, StreamTimeouts
from gateway.http.tunnel import proxy_error
from gateway.messages import Lines
from gateway.streams import RequestStream
from gateway.system import is_exhaustion

# pool: Idle connections to one origin: which of them may be used again, for how long and how often.

IDLE_SECONDS = 50.0  # below the 60 to 75 s after which most servers hang up on an idle connection
MAX_AGE_SECONDS = 120.0  # under steady traffic, too, a change of DNS (failover, blue/green) is followed in two minutes
# A request that is on its way when a server hangs up, as it has announced, may be lost.
HANG_UP_MARGIN_SECONDS = 1.5
_HINT = re.compile(r"\b(timeout|max)[ \t]*=[ \t]*\"?([0-9]{1,9})", re.IGNORECASE)


class Pool:
    """Safe under threads and greenlets: a connection is taken off the deque by one of them.

    :param size: idle connections it holds.
    """

    def __init__(self, size: int, clock: Clock) -> None:
        self._idle: deque[tuple[Connection, float]] = deque(
            maxlen=size
        )  # with the instant up to which it is good
        self._clock = clock
        self.closed = False

    def take(self) -> Connection | None:
        """The connection used last that is still open."""
        while self._idle:
            try:
                connection, good_until = self._idle.pop()
            except IndexError:  # another call took the last one
                return None
            if self._clock.now() < good_until and connection.is_reusable():
                return connection
            connection.close()
        return None

    def give_back(self, connection: Connection, headers: Mapping[str, str]) -> None:
        """Hold a connection for its next use, or close it.

        :param headers: of the answer that was read from it, by lower-case names.
        """
        now = self._clock.now()
        connection.uses += 1
        idle = _idle_seconds(connection, headers.get("keep-alive"))
        good_until = min(now + idle, connection.opened + MAX_AGE_SECONDS)
        self._drop_old(now)
        if self.closed or good_until <= now or len(self._idle) == self._idle.maxlen:
            connection.close()
        else:
            self._idle.append((connection, good_until))

    def close(self) -> None:
        """Close idle connections; those in use are closed when they come back."""
        self.closed = True
        while self._idle:
            self._idle.pop()[0].close()

    def _drop_old(self, now: float) -> None:
        """Close what was left idle longest, if it can serve no more; it would hold a descriptor until it is needed."""
        with suppress(IndexError):  # another call took the last one
            if self._idle[0][1] <= now:
                self._idle.popleft()[0].close()


def _idle_seconds(connection: Connection, hint: str | None) -> float:
    """For how long a connection may lie idle, by the other side's ``Keep-Alive`` (RFC 2068, 19.7.1.1); 0: not at all.

    ``max`` is how many requests it takes: in all, or beyond this one. A server that counts down says so in each answer.
    """
    if hint is None:
        return IDLE_SECONDS if connection.uses < connection.max_uses else 0.0
    hints = {name.lower(): int(number) for name, number in _HINT.findall(hint)}
    if "max" in hints:
        connection.max_uses = min(connection.max_uses, connection.uses - 1 + hints["max"])
    if connection.uses >= connection.max_uses:
        return 0.0
    timeout = hints.get("timeout")
    if timeout is None:
        return IDLE_SECONDS
    return min(IDLE_SECONDS, max(timeout - HANG_UP_MARGIN_SECONDS, timeout / 2))


# transport: A transport adapter for ``requests`` over pooled sockets, with a deadline that holds to the last byte.

T = TypeVar("T")
PROXY_AUTHENTICATION_REQUIRED = 407  # the one status of a proxy's that no service behind it gives
RECORD_BYTES = 16384  # bytes of one TLS record: of a first send that failed, the other side can have read nothing


class ConnectionPool(BaseAdapter):
    """Sends to one origin (scheme, host, port) by way of its ``connector``, and keeps idle connections.

    :param max_response: bytes of one answer's body, after decompression; more is a ``BadResponse``.
    :param pool_size: idle connections kept; more may be in use at once.
    """

    def __init__(
        self, origin: str, connector: Connector, max_response: int, pool_size: int, clock: Clock
    ) -> None:
        super().__init__()
        self._connector = connector
        self._proxy = connector.forward_proxy
        self._origin_length = (
            0 if self._proxy else len(origin)
        )  # a proxy is sent the whole URL (RFC 9112, 3.2.2)
        self._host_line = f"Host: {urlsplit(origin).netloc}\r\n"
        if (
            self._proxy
        ):  # some close after each answer without a word, which would cost the next request
            self._host_line += f"{self._proxy.header}Connection: close\r\n"
            pool_size = 0
        self._max_response = max_response
        self._clock = clock
        self._pool = Pool(pool_size, clock)

    def send(
        self, request: PreparedRequest, *_: object, timeout: Any = None, **__: object
    ) -> TimedResponse:
        """One exchange; the answer's body is read whole.

        :param timeout: ``(connect, read, total)`` seconds; ``read`` runs from connected to the last byte.
        :raises ConnectFailed: not a byte of the request was sent.
        :raises OutcomeUnknown: it was sent; no whole answer came back.
        :raises BadResponse: what came back is not HTTP, is cut short, or is larger than ``max_response``.
        """
        connect, read, total = timeout
        now = self._clock.now
        began, wire = now(), self._wire(request)
        until = began + total

        def exchange(line: Connection) -> TimedResponse:
            response, first = self._exchange(line, request, wire, min(until, now() + read))
            response.first_byte = first - began
            if self._proxy and response.status_code == PROXY_AUTHENTICATION_REQUIRED:
                raise proxy_error(response.status_code, self._proxy)
            return response

        return self._connected(min(connect, total), exchange)

    def open(
        self,
        request: PreparedRequest,
        upload: RequestStream | None,
        pace: StreamTimeouts,
        repeated: Lines,
    ) -> StreamingResponse:
        """One exchange up to the first byte of the answer's body; the rest comes as it is read.

        :param upload: the body, in place of the request's own.
        :param repeated: headers that go out in several lines.
        :raises DownstreamError: as ``send``.
        :raises CallerError: ``upload`` does, or the caller has gone.
        """
        wire = self._wire(request, upload, repeated)
        wait = min(pace.connect, pace.deadline - self._clock.now())
        return self._connected(
            wait, lambda line: self._begin(line, wire, request.method == "HEAD", upload, pace)
        )

    def _begin(
        self,
        line: Connection,
        wire: bytes,
        no_body: bool,
        upload: RequestStream | None,
        pace: StreamTimeouts,
    ) -> StreamingResponse:
        answer = StreamingResponseParser(no_body)

        def give_back(connection: Connection) -> None:
            self._pool.give_back(connection, answer.headers)

        incoming = StreamingResponse(line, answer, pace, self._clock, give_back)
        with incoming.translated():
            self._write(line, wire, incoming.until())
        if upload:
            incoming.pour(upload)
        incoming.begin()
        if self._proxy and incoming.status == PROXY_AUTHENTICATION_REQUIRED:
            incoming.close()
            raise proxy_error(incoming.status, self._proxy)
        return incoming

    def _connected(self, wait: float, exchange: Callable[[Connection], T]) -> T:
        """An exchange on an idle connection, or on a new one.

        :param wait: seconds to connect.
        """
        while (reused := self._pool.take()) is not None:
            try:
                return exchange(reused)
            except _NothingSent:
                continue  # it went stale in the pool; nothing was lost but this connection
        fresh = self._connector.connect(wait)
        try:
            return exchange(fresh)
        except _NothingSent as error:
            kind = OutOfResources if error.exhausted else ConnectFailed
            raise kind(detail=str(error)) from error

    def close(self) -> None:
        """Close idle connections; those in use are closed when their call ends."""
        self._pool.close()

    def _wire(
        self,
        request: PreparedRequest,
        upload: RequestStream | None = None,
        repeated: Lines | None = None,
    ) -> bytes:
        target = (request.url or "")[self._origin_length :] or "/"
        lines = [f"{request.method} {target} HTTP/1.1\r\n", self._host_line]
        pairs: Iterable[tuple[str, str]] = request.headers.items()
        if repeated:
            pairs = ((pair[0], value) for pair in pairs for value in repeated.get(pair, pair[1:]))
        lines += [f"{name}: {value}\r\n" for name, value in pairs]
        body = request.body
        if upload:
            length = upload.length
            lines.append(
                "Transfer-Encoding: chunked\r\n"
                if length is None
                else f"Content-Length: {length}\r\n"
            )
        elif body or request.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body or b'')}\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1") + (body or b"")  # type: ignore[operator]

    def _exchange(
        self, connection: Connection, request: PreparedRequest, wire: bytes, until: float
    ) -> tuple[TimedResponse, float]:
        """Write, then read; whatever goes wrong, the connection is closed.

        :returns: with the instant of the answer's first byte.
        """
        answer = ResponseParser(request.method == "HEAD", self._max_response)
        try:
            self._write(connection, wire, until)
            first = self._read(connection, answer, until)
            response = answer.response(request, Pause(self._clock))
        except TimeoutError as error:
            connection.close()
            raise ReadTimeout(detail=str(error)) from error
        except OSError as error:
            connection.close()
            raise answer.lost(error) from error
        except BaseException:
            connection.close()
            raise
        if answer.reusable:
            self._pool.give_back(connection, answer.headers)
        else:
            connection.close()
        return response, first

    def _write(self, connection: Connection, wire: bytes, until: float) -> None:
        try:
            sent = connection.send(wire[:RECORD_BYTES], until)
        except TimeoutError as error:
            raise ConnectTimeout(
                detail=str(error)
            ) from error  # connected, but there was no time left to send
        except OSError as error:
            raise _NothingSent(error) from error
        while sent < len(wire):
            sent += connection.send(wire[sent : sent + CHUNK_BYTES], until)

    def _read(self, connection: Connection, answer: ResponseParser, until: float) -> float:
        """The instant of its first byte."""
        data = connection.receive(until)
        first = self._clock.now()
        pause = Pause(
            self._clock
        )  # a service that sends without one would keep every other greenlet waiting
        while data:
            answer.feed(data)
            if answer.done:
                return first
            pause()
            data = connection.receive(until)
        answer.ended()
        return first


class _NothingSent(Exception):
    """The first ``send`` failed: the kernel took no byte of the request.

    :ivar exhausted: for want of something of ours.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.exhausted = is_exhaustion(error)
