"""Bodies that pass while they come: the caller's on its way in, the service's on its way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import CallerGone

MAX_STREAM_SECONDS = 3600.0  # that a stream may last, however steadily it flows
MAX_RESENDABLE_BYTES = 65536  # of a body that is held rather than streamed, to be sent again

Pairs = tuple[tuple[str, str], ...]


class CallerWatch(Protocol):
    """The caller's connection, which may end while a service is waited for."""

    def fileno(self) -> int: ...
    def gone(self) -> bool:
        """Return whether the caller has hung up; asked when there is something to read."""
        ...


class RequestStream:
    """A caller's body, which passes once.

    :param chunks: the body, as it comes.
    :param read_whole: returns all of it, as often as asked; raises a ``CallerError`` if too large.
    :param length: bytes, where the caller has said so.
    :ivar started: some of it has passed.
    :ivar trailers: headers that came after it.
    """

    trailers: Pairs = ()

    def __init__(
        self, chunks: Iterable[bytes], read_whole: Callable[[], bytes], length: int | None
    ) -> None:
        self.length = length
        self.started = False
        self._chunks = chunks
        self._read_whole = read_whole

    def read_whole(self) -> bytes:
        return self._read_whole()

    def pieces(self) -> Iterable[bytes]:
        """Return the body as it comes; a subclass may change it."""
        return self._chunks

    def __iter__(self) -> Iterator[bytes]:
        """Yield each chunk once the next has come: the last of a wrong body never passes."""
        self.started = True
        previous = b""
        for chunk in self.pieces():
            if previous:
                yield previous
            previous = chunk
        if previous:
            yield previous


@dataclass(frozen=True, slots=True)
class PassthroughRequest:
    """What of the caller's own request goes on to the service as it is.

    :param verb: of a proxied request, as ``path`` and ``query``, quoted as they came; None: none.
    :param gate_url: the URL under which its caller reaches the service.
    """

    headers: Pairs = ()
    body: RequestStream | None = None
    watch: CallerWatch | None = None
    verb: str = ""
    path: str = ""
    query: str | None = None
    gate_url: str = ""


class ResponseStream:
    """A service's answer, whose body comes as it is read; to be read to its end or closed.

    :ivar body: all of it, where it was here from the beginning.
    :ivar piece_callback: called with each piece.
    :param read: returns the next piece, nothing at the end; raises a ``GatewayError``.
    :param close: ends the exchange before its end.
    :param reason: what its status line says beside the status; None where that is ours to say.
    """

    def __init__(
        self,
        status: int,
        headers: Pairs,
        read: Callable[[], bytes],
        close: Callable[[], None],
        reason: str | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.reason = reason
        self.body: bytes | None = None
        self._read = read
        self._close = close
        self.piece_callback: Callable[[], None] = lambda: None
        self._end_callbacks: list[Callable[[BaseException | None], None]] = []
        self._over = False

    @classmethod
    def whole(
        cls, status: int, headers: Pairs, body: bytes, reason: str | None = None
    ) -> ResponseStream:
        """Return an answer whose body is here already, so that its exchange is over."""
        remaining = iter((body,))
        stream = cls(status, headers, lambda: next(remaining, b""), lambda: None, reason)
        stream.body = body
        stream._over = True
        return stream

    def on_piece(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` now and with each piece."""
        self.piece_callback = callback
        callback()

    def on_end(self, callback: Callable[[BaseException | None], None]) -> None:
        """Call ``callback`` when it is over: with None, or with what ended it before its end."""
        if self._over:
            callback(None)
        else:
            self._end_callbacks.append(callback)

    def __iter__(self) -> ResponseStream:
        return self

    def __next__(self) -> bytes:
        try:
            piece = self._read()
            self.piece_callback()
        except BaseException as error:
            self._end(error)
            raise
        if not piece:
            self._end(None)
            raise StopIteration
        return piece

    def close(self) -> None:
        """End it; before its end that is because the caller has gone."""
        self._close()
        self._end(CallerGone(detail="the caller hung up"))

    def _end(self, error: BaseException | None) -> None:
        if not self._over:
            self._over = True
            for callback in self._end_callbacks:
                callback(error)
