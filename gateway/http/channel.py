"""The way to one service: pooled sockets to its origins, a deadline that holds to the last byte.

What a signer made is what is written: no redirect is followed, no cookie kept, and neither
``.netrc`` nor a proxy variable read. ``gateway.http.requests_session`` is for callers who speak
``requests``.

Safe under threads and greenlets: a connection belongs to one call at a time; no lock is held.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.catalog.model import Timeout
from gateway.clock import Clock, Pause
from gateway.errors import ConnectTimeout, DeadlineExceeded, ProxyFailed, ReadTimeout
from gateway.http.connect.connection import Connection
from gateway.http.connect.connector import Connector, connect_error
from gateway.http.connect.tunnel import proxy_error
from gateway.http.idle_connections import IdleConnections
from gateway.http.response.head import Headers
from gateway.http.response.parser import ResponseParser, StreamingResponseParser
from gateway.http.response.streaming import ExchangeTimeouts, StreamingResponse
from gateway.http_messages import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from requests import Session

PROXY_AUTHENTICATION_REQUIRED = 407  # the one status of a proxy's that no service behind it gives
#: One TLS record: of a first send that failed, the other side can have read nothing.
RECORD_BYTES = 16384


class Channel:
    """The way to one place, behind these pools by origin.

    channel.send(request, timeout, deadline)  # HttpRequest -> HttpResponse
    channel.session.get(url, timeout=5)  # requests.Request -> requests.Response
    """

    def __init__(self, pools: dict[str, ConnectionPool], clock: Clock) -> None:
        self._clock = clock
        self._now = clock.now
        self.pools = pools
        self._by_base_url: dict[str, ConnectionPool] = {}  # those that were asked for

    @cached_property
    def session(self) -> Session:
        """What sends by the same pools, for callers who speak ``requests``."""
        from gateway.http.requests_session import make_session

        return make_session(self.pools, self.send, self._clock)

    def send(self, request: HttpRequest, timeout: Timeout, deadline: float) -> HttpResponse:
        """Make one attempt, within its own timeout and the call's deadline.

        :raises DeadlineExceeded: the deadline came first.
        :raises ConnectFailed: not a byte of the request was sent.
        :raises OutcomeUnknown: it was sent; no whole answer came back.
        :raises BadResponse: what came back is not HTTP, is cut short, or is too large.
        """
        began = self._now()
        if deadline <= began:
            raise DeadlineExceeded
        pool = self._by_base_url.get(request.base_url) or self._pool(request.base_url)
        connect_seconds = min(timeout.connect, deadline - began)
        try:
            connection, rest, until = pool.begin(request, connect_seconds, timeout.read, deadline)
            return pool.read_whole(connection, request, rest, until, began)
        except (ConnectTimeout, ReadTimeout) as error:
            if self._now() >= deadline:
                raise DeadlineExceeded from error
            raise

    def open(self, request: HttpRequest, timeouts: ExchangeTimeouts) -> StreamingResponse:
        """Make one attempt up to the first byte of the answer's body; the rest comes as it is read.

        :raises GatewayError: as ``send``; a ``CallerError`` where the upload raises it or the
            caller has gone.
        """
        deadline = timeouts.deadline
        began = self._now()
        if deadline <= began:
            raise DeadlineExceeded
        pool = self._by_base_url.get(request.base_url) or self._pool(request.base_url)
        connect_seconds = min(timeouts.connect, deadline - began)
        try:
            connection, rest, _ = pool.begin(request, connect_seconds, timeouts.read, deadline)
            return pool.read_head(connection, request, rest, timeouts)
        except (ConnectTimeout, ReadTimeout) as error:
            if self._now() >= deadline:
                raise DeadlineExceeded from error
            raise

    def rotation(self, urls: tuple[str, ...]) -> Callable[[], str]:
        """Return what answers the base URL of the next request: these in turn."""
        return itertools.cycle(urls).__next__  # atomic

    def close(self) -> None:
        for pool in list(self.pools.values()):
            pool.close()

    def _pool(self, base_url: str) -> ConnectionPool:
        pool = self.pools[origin_of(base_url)]
        self._by_base_url[base_url] = pool
        return pool


class ConnectionPool:
    """Connections to one origin (scheme, host, port), and what is sent and read on them.

    :param max_response: bytes of one answer's body, after decompression; more is a ``BadResponse``.
    :param size: idle connections kept; more may be in use at once.
    """

    def __init__(
        self, origin: str, connector: Connector, max_response: int, size: int, clock: Clock
    ) -> None:
        self._connector = connector
        self._max_response = max_response
        self._clock = clock
        self._now = clock.now
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

    def begin(
        self, request: HttpRequest, connect_seconds: float, read_seconds: float, deadline: float
    ) -> tuple[Connection, memoryview, float]:
        """Send a first part of a request, on an idle connection or on a new one.

        :returns: the connection, what is still to be sent, and the instant by which the answer must
            be here.
        """
        wire = self._wire(request)
        while True:
            connection = self._idle.take() or self._connector.connect(connect_seconds)
            until = min(deadline, self._now() + read_seconds)
            try:
                sent = connection.send(wire[:RECORD_BYTES], until)
                return connection, memoryview(wire)[sent:], until
            except TimeoutError as error:  # connected, but there was no time left to send
                connection.close()
                raise ConnectTimeout(detail=str(error)) from error
            except OSError as error:
                connection.close()
                if not connection.use_count:
                    raise connect_error(error) from error
                # It went stale in the pool; nothing was lost but this connection.
            except BaseException:
                connection.close()
                raise

    def read_whole(
        self,
        connection: Connection,
        request: HttpRequest,
        rest: memoryview,
        until: float,
        began: float,
    ) -> HttpResponse:
        """Send the rest and read the answer; whatever goes wrong, the connection is closed.

        :param began: the instant from which the first byte is timed.
        """
        parser = ResponseParser(request.verb == "HEAD", self._max_response)
        try:
            if rest:
                connection.send_all(rest, until)
            parser.feed(connection.receive(until))
            first_byte = self._now() - began
            if not parser.done:
                self._read_on(connection, parser, until)
            body = parser.body(self._clock)
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
        if self._proxy:
            self._check_proxy(parser.status)
        return HttpResponse(parser.status, Headers(parser.headers), body, first_byte)

    def read_head(
        self,
        connection: Connection,
        request: HttpRequest,
        rest: memoryview,
        timeouts: ExchangeTimeouts,
    ) -> StreamingResponse:
        """Send the rest and the upload, and read up to the first byte of the answer's body."""
        parser = StreamingResponseParser(request.verb == "HEAD")

        def give_back(connection: Connection) -> None:
            self._idle.give_back(connection, parser.headers)

        response = StreamingResponse(connection, parser, timeouts, self._clock, give_back)
        response.begin(rest, request.upload)
        try:
            self._check_proxy(response.status)
        except ProxyFailed:
            response.close()
            raise
        return response

    def close(self) -> None:
        """Close idle connections; those in use are closed when their call ends."""
        self._idle.close()

    def _wire(self, request: HttpRequest) -> bytes:
        """Return the head, and the body where it is no upload."""
        target = (request.base_url + request.target)[self._origin_length :] or "/"
        lines = {}
        for name, value in request.headers.items():
            # Of two spellings of a name the later one counts, in the place of the first.
            lines[name.lower()] = f"{name}: {value}\r\n"
        for (name, value), values in request.lines.items():
            if lines.get(name.lower()) == f"{name}: {value}\r\n":
                lines[name.lower()] = "".join(f"{name}: {line}\r\n" for line in values)
        body = request.body
        framing = ""
        if request.upload is None:
            if body or request.verb in ("POST", "PUT", "PATCH"):
                framing = f"Content-Length: {len(body)}\r\n"
        elif request.upload.length is None:
            framing = "Transfer-Encoding: chunked\r\n"
        else:
            framing = f"Content-Length: {request.upload.length}\r\n"
        head = "".join(lines.values())
        start = f"{request.verb} {target} HTTP/1.1\r\n{self._host_line}"
        return f"{start}{head}{framing}\r\n".encode("latin-1") + body

    def _read_on(self, connection: Connection, parser: ResponseParser, until: float) -> None:
        """Feed the parser until the answer is done."""
        # A service that sends without a pause would keep every other greenlet waiting.
        pause = Pause(self._clock)
        while not parser.done:
            pause()
            parser.feed(connection.receive(until))

    def _check_proxy(self, status: int) -> None:
        if self._proxy and status == PROXY_AUTHENTICATION_REQUIRED:
            raise proxy_error(status, self._proxy)


def origin_of(url: str) -> str:
    """Return scheme, host and port, as they are written."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
