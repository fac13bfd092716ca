"""An answer that is read piece by piece while it comes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from gateway.clock import Clock, Pause
from gateway.errors import BadResponse, DeadlineExceeded, GatewayError, ReadTimeout
from gateway.http.connect.connection import Connection
from gateway.http.response.head import Headers
from gateway.http.response.inflate import inflate
from gateway.http.response.parser import StreamingResponseParser
from gateway.http_messages import HttpResponse
from gateway.streams import MAX_STREAM_SECONDS, CallerWatch, Pairs, RequestStream

#: From which on a caller is watched: to wait for two sockets costs more than most answers take.
WATCH_DELAY_SECONDS = 0.1


class ExchangeTimeouts(NamedTuple):
    """How long the steps of one exchange may take.

    :param connect: seconds.
    :param read: seconds from connected to the last byte of an answer that is read whole; for each
        piece of a body that is streamed, and for such an answer to begin.
    :param deadline: the instant by which an answer must be here whole, or must have begun.
    :param watch: the caller's connection; the exchange ends with it, after a moment's delay.
    """

    connect: float
    read: float
    deadline: float
    watch: CallerWatch | None = None


class StreamingResponse:
    """One exchange, from the second record of its request to the last byte of its answer.

    :param give_back: gets the connection when it may serve another exchange.
    :ivar status: with ``reason`` and ``headers``, as they came, of an answer that has begun.
    :ivar on_end: called once, when it has been read to its end or given up.
    """

    def __init__(
        self,
        connection: Connection,
        parser: StreamingResponseParser,
        timeouts: ExchangeTimeouts,
        clock: Clock,
        give_back: Callable[[Connection], None],
    ) -> None:
        self._connection = connection
        self._parser = parser
        self._timeouts = timeouts
        self._clock = clock
        self._give_back = give_back
        now = clock.now()
        self._ends_at = now + MAX_STREAM_SECONDS
        self._watch_at = now + WATCH_DELAY_SECONDS
        # A service that sends without a pause would keep every other greenlet waiting.
        self.pause = Pause(clock)
        self._closed = False
        self.status = 0
        self.reason = ""
        self.headers: Pairs = ()
        self.on_end: Callable[[], None] | None = None

    def begin(self, rest: memoryview, upload: RequestStream | None) -> None:
        """Send what is left of the request, and read up to the body's first byte, or its end.

        An upload stops where the service answers without waiting for its end, or hangs up.

        :param rest: of the head, or of a body that is sent in one piece.
        """
        parser = self._parser
        try:
            if rest:
                self._connection.send_all(rest, self._step_deadline())
            if upload:
                self._send_upload(upload)
            until = self._step_deadline()
            while not parser.has_body:
                self._receive(until)
        except OSError as error:
            raise self._translate(error) from error
        except BaseException:
            self.close()
            raise
        self.status = parser.status
        self.reason = parser.reason
        self.headers = tuple(parser.pairs)

    def _send_upload(self, upload: RequestStream) -> None:
        for piece in upload:
            if self._has_answer() or not self._send_piece(_frame(piece, upload)):
                self._parser.request_cut_short = True
                return
        if upload.length is None:
            self._send_piece(b"0\r\n\r\n")

    def _has_answer(self) -> bool:
        data = self._connection.read_available()
        if data is not None:
            self._feed(data)
        return self._parser.has_head

    def _send_piece(self, data: bytes) -> bool:
        """Return False once the service takes no more; it may have said why."""
        try:
            self._connection.send_all(memoryview(data), self._step_deadline())
        except TimeoutError:
            raise
        except OSError:
            return False
        return True

    def take_whole(self) -> bytes | None:
        """Return the body if all of it has come, else None; to be called before any ``read``."""
        if not self._parser.done:
            return None
        self._end()
        return self._parser.take()

    def read(self) -> bytes:
        """Return the next piece; nothing at the end.

        :raises ReadTimeout: nothing came for ``ExchangeTimeouts.read`` seconds, or it has lasted
            for too long.
        :raises BadResponse: it is cut short.
        :raises CallerGone: ``ExchangeTimeouts.watch`` has seen that.
        """
        try:
            while not (piece := self._parser.take()) and not self._parser.done:
                self._receive(min(self._clock.now() + self._timeouts.read, self._ends_at))
        except OSError as error:
            raise self._translate(error) from error
        except BaseException:
            self.close()
            raise
        if not piece:
            self._end()
        return piece

    def read_up_to(self, size: int) -> tuple[bytes, bool]:
        """Read up to the body's end, to ``size`` bytes and a little, or for the time of one piece.

        To be called before anything is read.

        :returns: what came, and whether there is more.
        """
        parser = self._parser
        until = self._step_deadline()
        try:
            with suppress(TimeoutError):
                while not parser.done and parser.size <= size:
                    self._receive(until)
        except OSError as error:
            raise self._translate(error) from error
        except BaseException:
            self.close()
            raise
        if parser.done:
            self._end()
        return parser.take(), not parser.done

    def read_whole(self, limit: int) -> HttpResponse:
        """Return all of the answer, as if it had been read at once.

        :raises BadResponse: it has more than ``limit`` bytes.
        :raises ReadTimeout: it has not ended in ``ExchangeTimeouts.read`` seconds.
        :raises DeadlineExceeded: nor by ``ExchangeTimeouts.deadline``.
        """
        body, more = self.read_up_to(limit)
        if len(body) > limit:
            self.close()
            raise BadResponse(detail=f"larger than max_response ({limit} bytes)")
        if more:
            self.close()
            raise self._timeout_error()
        headers = self._parser.headers
        plain = inflate(body, headers, limit, self.pause)
        return HttpResponse(self.status, Headers(headers), plain)

    def close(self) -> None:
        """Hang up, unless the answer has been read to its end."""
        if not self._closed:
            self._closed = True
            self._connection.close()
            if self.on_end:
                self.on_end()

    def _step_deadline(self) -> float:
        """Return the instant at which the next piece must have gone out, or the answer begun."""
        return min(self._clock.now() + self._timeouts.read, self._timeouts.deadline)

    def _timeout_error(self) -> GatewayError:
        if self._clock.now() >= self._timeouts.deadline:
            return DeadlineExceeded()
        return ReadTimeout(detail="it drips")

    def _receive(self, until: float) -> None:
        watch = self._timeouts.watch
        if watch and self._clock.now() < self._watch_at:
            try:
                self._feed(self._connection.receive(min(until, self._watch_at)))
                return
            except TimeoutError:
                pass
        self._feed(self._connection.receive(until, watch))

    def _feed(self, data: bytes) -> None:
        self._parser.feed(data)
        self.pause()

    def _end(self) -> None:
        if not self._closed and self._parser.reusable:
            self._closed = True
            self._give_back(self._connection)
            if self.on_end:
                self.on_end()
        self.close()

    def _translate(self, error: OSError) -> Exception:
        """End the exchange, and return what it means that it broke off like this."""
        self.close()
        if isinstance(error, TimeoutError):
            return ReadTimeout(detail=str(error))
        return self._parser.connection_error(error)


def _frame(piece: bytes, upload: RequestStream) -> bytes:
    if upload.length is not None:
        return piece
    return b"%x\r\n%b\r\n" % (len(piece), piece)
