"""A transport adapter for ``requests``: pooled sockets, a deadline that holds to the last byte.

Why not ``HTTPAdapter``: its read timeout is per ``recv`` (a body that trickles outlives any
timeout), its errors do not say whether a byte of the request was sent, and it costs several times
as much CPU per call.

Safe under threads and greenlets: a connection belongs to one call at a time; no lock is held.

A session here has a pool for the declared origins only: any other URL raises
``requests.exceptions.InvalidSchema``. What is prepared already goes to its pool without
``Session.send``, so that no redirect is followed, no cookie kept, and neither ``.netrc`` nor a
proxy variable read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from requests import PreparedRequest, Session
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from gateway.catalog.model import Timeout
from gateway.clock import Clock, Pause
from gateway.errors import (
    ConnectFailed,
    ConnectTimeout,
    DeadlineExceeded,
    OutOfResources,
    ProxyFailed,
    ReadTimeout,
)
from gateway.http.connection import Connection, Connector
from gateway.http.idle_connections import IdleConnections
from gateway.http.response_parser import BufferedResponse, ResponseParser, StreamingResponseParser
from gateway.http.streaming_response import ExchangeTimeouts, StreamingResponse
from gateway.http.tunnel import proxy_error
from gateway.messages import HttpRequest, HttpResponse, Lines
from gateway.streams import RequestStream
from gateway.system import is_exhaustion

PROXY_AUTHENTICATION_REQUIRED = 407  # the one status of a proxy's that no service behind it gives
#: One TLS record: of a first send that failed, the other side can have read nothing.
RECORD_BYTES = 16384


class WireRequest(PreparedRequest):
    """A request as it goes out. ``PreparedRequest`` itself would make hooks and cookies for each.

    :ivar upload: the body, in place of ``body``.
    :ivar lines: headers that go out in several lines.
    """

    def __init__(self, request: HttpRequest) -> None:
        self.method = request.verb
        self.url = request.url
        self.body = request.body
        self.headers = CaseInsensitiveDict(request.headers)
        self.upload: RequestStream | None = request.upload
        self.lines: Lines = request.lines


class Channel:
    """A session of its own to one place, behind these pools by origin."""

    def __init__(self, pools: Mapping[str, ConnectionPool], clock: Clock) -> None:
        self._clock = clock
        self._session = Session()
        self._session.adapters.clear()
        for origin, pool in pools.items():
            self._session.mount(origin + "/", pool)

    def send(self, request: HttpRequest, timeout: Timeout, deadline: float) -> HttpResponse:
        """Make one attempt, within its own timeout and the call's deadline.

        :raises DeadlineExceeded: the deadline came first.
        :raises DownstreamError: see ``ConnectionPool.send``.
        """
        if deadline <= self._clock.now():
            raise DeadlineExceeded
        timeouts = ExchangeTimeouts(timeout.connect, timeout.read, deadline)
        try:
            response = self._pool(request).send(WireRequest(request), timeout=timeouts)
        except (ConnectTimeout, ReadTimeout) as error:
            if self._clock.now() >= deadline:
                raise DeadlineExceeded from error
            raise
        return HttpResponse(
            response.status_code, response.headers, response.content, response.first_byte
        )

    def open(self, request: HttpRequest, timeouts: ExchangeTimeouts) -> StreamingResponse:
        """Make one attempt up to the first byte of the answer's body; the rest comes as it is read.

        :raises GatewayError: as ``send``; a ``CallerError`` where the upload raises it or the
            caller has gone.
        """
        if timeouts.deadline <= self._clock.now():
            raise DeadlineExceeded
        try:
            response = self._pool(request).send(WireRequest(request), stream=True, timeout=timeouts)
        except (ConnectTimeout, ReadTimeout) as error:
            if self._clock.now() >= timeouts.deadline:
                raise DeadlineExceeded from error
            raise
        return cast(StreamingResponse, response.raw)

    def close(self) -> None:
        self._session.close()

    def _pool(self, request: HttpRequest) -> ConnectionPool:
        return cast(ConnectionPool, self._session.get_adapter(request.base_url + "/"))


class ConnectionPool(BaseAdapter):
    """Sends to one origin (scheme, host, port), and keeps idle connections.

    :param max_response: bytes of one answer's body, after decompression; more is a ``BadResponse``.
    :param size: idle connections kept; more may be in use at once.
    """

    def __init__(
        self, origin: str, connector: Connector, max_response: int, size: int, clock: Clock
    ) -> None:
        super().__init__()
        self._connector = connector
        self._max_response = max_response
        self._clock = clock
        self._proxy = connector.forward_proxy
        self._origin_length = len(origin)
        self._host_line = f"Host: {urlsplit(origin).netloc}\r\n"
        if self._proxy:
            self._origin_length = 0  # a proxy is sent the whole URL (RFC 9112, 3.2.2)
            # Some proxies close after each answer without a word, which would cost the next
            # request.
            self._host_line += f"{self._proxy.header}Connection: close\r\n"
            size = 0
        self._idle = IdleConnections(size, clock)

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        *_: object,
        **__: object,
    ) -> BufferedResponse:
        """Send a ``WireRequest`` on an idle connection or on a new one, and read the answer.

        :param stream: read no further than the first byte of the body; ``raw`` is the
            ``StreamingResponse``.
        :param timeout: an ``ExchangeTimeouts``.
        :raises ConnectFailed: not a byte of the request was sent.
        :raises OutcomeUnknown: it was sent; no whole answer came back.
        :raises BadResponse: what came back is not HTTP, is cut short, or is larger than
            ``max_response``.
        """
        assert isinstance(request, WireRequest)
        timeouts: ExchangeTimeouts = timeout
        now = self._clock.now
        began = now()
        wire = self._wire(request)
        while True:
            connection = self._idle.take()
            if connection is None:
                wait = min(timeouts.connect, timeouts.deadline - began)
                connection = self._connector.connect(wait)
            until = min(timeouts.deadline, now() + timeouts.read)
            try:
                sent = connection.send(wire[:RECORD_BYTES], until)
                break
            except TimeoutError as error:  # connected, but there was no time left to send
                connection.close()
                raise ConnectTimeout(detail=str(error)) from error
            except OSError as error:
                connection.close()
                if not connection.use_count:
                    raise _not_sent(error) from error
                # It went stale in the pool; nothing was lost but this connection.
            except BaseException:
                connection.close()
                raise
        rest = memoryview(wire)[sent:]
        if stream:
            return self._stream(connection, request, rest, timeouts)
        response = self._read_whole(connection, request, rest, until)
        response.first_byte -= began
        return response

    def close(self) -> None:
        """Close idle connections; those in use are closed when their call ends."""
        self._idle.close()

    def _wire(self, request: WireRequest) -> bytes:
        """Return the head, and the body where it is no upload."""
        target = (request.url or "")[self._origin_length :] or "/"
        lines = [f"{request.method} {target} HTTP/1.1\r\n", self._host_line]
        pairs: Iterable[tuple[str, str]] = request.headers.items()
        if request.lines:
            pairs = _repeated(pairs, request.lines)
        lines += [f"{name}: {value}\r\n" for name, value in pairs]
        body = cast(bytes, request.body)
        if request.upload is None:
            if body or request.method in ("POST", "PUT", "PATCH"):
                lines.append(f"Content-Length: {len(body)}\r\n")
        elif request.upload.length is None:
            lines.append("Transfer-Encoding: chunked\r\n")
        else:
            lines.append(f"Content-Length: {request.upload.length}\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1") + body

    def _read_whole(
        self, connection: Connection, request: WireRequest, rest: memoryview, until: float
    ) -> BufferedResponse:
        """Send the rest and read the answer; whatever goes wrong, the connection is closed.

        :returns: with the instant of its first byte.
        """
        parser = ResponseParser(request.method == "HEAD", self._max_response)
        try:
            if rest:
                connection.send_all(rest, until)
            first_byte = self._read(connection, parser, until)
            response = parser.response(request, Pause(self._clock))
        except TimeoutError as error:
            connection.close()
            raise ReadTimeout(detail=str(error)) from error
        except OSError as error:
            connection.close()
            raise parser.connection_error(error) from error
        except BaseException:
            connection.close()
            raise
        if parser.reusable:
            self._idle.give_back(connection, parser.headers)
        else:
            connection.close()
        self._check_proxy(parser.status)
        response.first_byte = first_byte
        return response

    def _read(self, connection: Connection, parser: ResponseParser, until: float) -> float:
        """Feed the parser until the answer is done, and return the instant of its first byte."""
        data = connection.receive(until)
        first_byte = self._clock.now()
        # A service that sends without a pause would keep every other greenlet waiting.
        pause = Pause(self._clock)
        while data:
            parser.feed(data)
            if parser.done:
                return first_byte
            pause()
            data = connection.receive(until)
        parser.feed_end()
        return first_byte

    def _stream(
        self,
        connection: Connection,
        request: WireRequest,
        rest: memoryview,
        timeouts: ExchangeTimeouts,
    ) -> BufferedResponse:
        """Send the rest and the upload, and read up to the first byte of the answer's body."""
        parser = StreamingResponseParser(request.method == "HEAD")

        def give_back(connection: Connection) -> None:
            self._idle.give_back(connection, parser.headers)

        response = StreamingResponse(connection, parser, timeouts, self._clock, give_back)
        response.send(rest, request.upload)
        response.begin()
        try:
            self._check_proxy(response.status)
        except ProxyFailed:
            response.close()
            raise
        return BufferedResponse(request, response.status, CaseInsensitiveDict(), raw=response)

    def _check_proxy(self, status: int) -> None:
        if self._proxy and status == PROXY_AUTHENTICATION_REQUIRED:
            raise proxy_error(status, self._proxy)


def _repeated(pairs: Iterable[tuple[str, str]], lines: Lines) -> Iterator[tuple[str, str]]:
    """Yield a pair for each line of a header that goes out in several."""
    for name, value in pairs:
        for line in lines.get((name, value), (value,)):
            yield name, line


def _not_sent(error: OSError) -> ConnectFailed | OutOfResources:
    """Return what it means that the kernel took no byte of the request."""
    kind = OutOfResources if is_exhaustion(error) else ConnectFailed
    return kind(detail=f"{type(error).__name__}: {error}")
