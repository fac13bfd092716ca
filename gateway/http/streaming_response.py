"""An answer that is read piece by piece while it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from requests.structures import CaseInsensitiveDict

from gateway.clock import Clock, Pause
from gateway.errors import BadResponse, DeadlineExceeded, ReadTimeout
from gateway.http.connection import Connection
from gateway.http.inflate import inflate
from gateway.http.response_parser import StreamingResponseParser
from gateway.messages import HttpResponse
from gateway.streams import MAX_STREAM_SECONDS, CallerWatch, RequestStream


@dataclass(frozen=True, slots=True)
class StreamTimeouts:
    """How long things may take.

    :param connect: seconds.
    :param read: seconds for each piece of a body, and for the answer to begin.
    :param deadline: the instant by which it must have begun.
    :param watch: who is to be there for it.
    """

    connect: float
    read: float
    deadline: float
    watch: CallerWatch | None = None


class StreamingResponse:
    """One exchange, from its first byte out to its last byte in.

    :param give_back: gets the connection when it may serve another exchange.
    """

    def __init__(
        self,
        connection: Connection,
        answer: StreamingResponseParser,
        pace: StreamTimeouts,
        clock: Clock,
        give_back: Callable[[Connection], None],
    ) -> None:
        self._connection, self._answer, self._pace, self._clock = connection, answer, pace, clock
        self._give_back = give_back
        self._latest = clock.now() + MAX_STREAM_SECONDS
        self.pause = Pause(
            clock
        )  # a service that sends without one would keep every other greenlet waiting
        self._over = False

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def reason(self) -> str:
        """What the status line says beside the status."""
        return self._answer.reason

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """As they came, in order."""
        return tuple(self._answer.pairs)

    def until(self) -> float:
        """The instant at which the next piece must have gone out, or the answer begun."""
        return min(self._clock.now() + self._pace.read, self._pace.deadline)

    def pour(self, upload: RequestStream) -> None:
        """Send a body; stop where the service answers without waiting for its end, or hangs up."""
        with self.translated():
            for piece in upload:
                if self._answered() or not self._sent(_framed(piece, upload)):
                    self._answer.distrusted = True
                    return
            if upload.length is None:
                self._sent(b"0\r\n\r\n")

    def _answered(self) -> bool:
        data = self._connection.read_available()
        if data is not None:
            self._take_in(data)
        return self._answer.headed

    def _sent(self, data: bytes) -> bool:
        """False once the service takes no more; it may have said why."""
        view, until = memoryview(data), self.until()
        while view:
            try:
                view = view[self._connection.send(view, until) :]
            except TimeoutError:
                raise
            except OSError:
                return False
        return True

    def begin(self) -> None:
        """Wait for the head and for the first byte of the body, or for its end."""
        with self.translated():
            until = self.until()
            while not self._answer.begun:
                self._receive(until)

    def read(self) -> bytes:
        """The next piece; nothing at the end.

        :raises ReadTimeout: nothing came for ``StreamTimeouts.read`` seconds, or it has lasted for too long.
        :raises BadResponse: it is cut short.
        :raises CallerGone: ``StreamTimeouts.watch`` has seen that.
        """
        with self.translated():
            while not (piece := self._answer.take()) and not self._answer.done:
                self._receive(min(self._clock.now() + self._pace.read, self._latest))
        if not piece:
            self._end()
        return piece

    def held(self, most: int) -> tuple[bytes, bool]:
        """What comes of the body up to its end, to ``most`` bytes and a little, or in the time for one piece; whether
        there is more. Asked before anything is read.
        """
        answer, until = self._answer, self.until()
        with self.translated(), suppress(TimeoutError):
            while not answer.done and answer.size <= most:
                self._receive(until)
        if answer.done:
            self._end()
        return answer.take(), not answer.done

    def whole(self, limit: int) -> HttpResponse:
        """All of the answer, as if it had been read at once.

        :raises BadResponse: it has more than ``limit`` bytes.
        :raises ReadTimeout: it has not ended in ``StreamTimeouts.read`` seconds.
        :raises DeadlineExceeded: nor by ``StreamTimeouts.deadline``.
        """
        body, more = self.held(limit)
        if len(body) > limit:
            self.close()
            raise BadResponse(detail=f"larger than max_response ({limit} bytes)")
        if more:
            self.close()
            raise (
                DeadlineExceeded
                if self._clock.now() >= self._pace.deadline
                else ReadTimeout(detail="it drips")
            )
        headers = CaseInsensitiveDict(self._answer.headers)
        return HttpResponse(
            self.status, headers, inflate(body, self._answer.headers, limit, self.pause)
        )

    def close(self) -> None:
        """Hang up, unless it has been read to its end."""
        if not self._over:
            self._over = True
            self._connection.close()

    def _receive(self, until: float) -> None:
        self._take_in(self._connection.receive(until, self._pace.watch))

    def _take_in(self, data: bytes) -> None:
        if data:
            self._answer.feed(data)
        else:
            self._answer.ended()
        self.pause()

    def _end(self) -> None:
        if not self._over and self._answer.reusable:
            self._over = True
            self._give_back(self._connection)
        self.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """What goes wrong inside ends the exchange, and is told in the gateway's own terms."""
        try:
            yield
        except TimeoutError as error:
            self.close()
            raise ReadTimeout(detail=str(error)) from error
        except OSError as error:
            self.close()
            raise self._answer.lost(error) from error
        except BaseException:
            self.close()
            raise


def _framed(piece: bytes, upload: RequestStream) -> bytes:
    return piece if upload.length is not None else b"%x\r\n%b\r\n" % (len(piece), piece)
