"""Bodies that pass while they come: the caller's on its way in, the service's on its way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import CallerGone

MAX_STREAM_SECONDS = 3600.0  # seconds that a stream may last, however steadily it flows
MAX_RESENDABLE_BYTES = (
    65536  # bytes of a body that is rather held than streamed, so that it can be sent again
)

Pairs = tuple[tuple[str, str], ...]


class CallerWatch(Protocol):
    """The caller's connection, which may end while a service is waited for."""

    def fileno(self) -> int: ...
    def gone(self) -> bool:
        """Whether the caller has hung up; asked when there is something to read."""
        ...


class RequestStream:
    """A caller's body, which passes once.

    :param chunks: it, as it comes.
    :param whole: all of it at once, as often as asked; raises a ``CallerError`` where it is too large for that.
    :param length: bytes, where the caller has said so.
    :ivar trailers: headers that came after it.
    """

    trailers: Pairs = ()

    def __init__(
        self, chunks: Iterable[bytes], whole: Callable[[], bytes], length: int | None
    ) -> None:
        self.length = length
        self.begun = False
        self._chunks = chunks
        self._whole = whole

    def whole(self) -> bytes:
        return self._whole()

    def pieces(self) -> Iterable[bytes]:
        """As they come; a subclass has others."""
        return self._chunks

    def __iter__(self) -> Iterator[bytes]:
        """Each chunk once the next has come in well: of a body that turns out wrong the last is never given."""
        self.begun, held = True, b""
        for chunk in self.pieces():
            if held:
                yield held
            held = chunk
        if held:
            yield held


@dataclass(frozen=True, slots=True)
class PassthroughRequest:
    """What of the caller's own request goes on to the service as it is.

    :param verb: with ``path`` and ``query``, of a proxied request: quoted as they came; None for no query at all.
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

    :ivar pulse: called with each piece.
    :param read: the next piece, nothing at the end; raises a ``GatewayError`` where it breaks off.
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
        self.status, self.headers = status, headers
        self.reason = reason
        self._read, self._close = read, close
        self.pulse: Callable[[], None] = lambda: None
        self._notes: list[Callable[[BaseException | None], None]] = []
        self._over = False

    @classmethod
    def of(
        cls, status: int, headers: Pairs, pieces: Sequence[bytes], reason: str | None = None
    ) -> ResponseStream:
        """One that is here already."""
        left = iter(pieces)
        return cls(status, headers, lambda: next(left, b""), lambda: None, reason)

    def on_piece(self, note: Callable[[], None]) -> None:
        """Call ``note`` now and with each piece."""
        self.pulse = note
        note()

    def on_end(self, note: Callable[[BaseException | None], None]) -> None:
        """Call ``note`` when it is over: with None, or with what ended it before its end."""
        self._notes.append(note)

    def __iter__(self) -> ResponseStream:
        return self

    def __next__(self) -> bytes:
        try:
            piece = self._read()
            self.pulse()
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
            for note in self._notes:
                note(error)
