"""Reading one HTTP/1.1 answer as it arrives, within limits: its head, then its body as the head says it comes.

Nothing here refers to what refers to it, so that a body is freed with its last use and waits for no garbage collection.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import httptools
from requests import PreparedRequest, Response
from requests.structures import CaseInsensitiveDict

from gateway.errors import BadResponse, ConnectionLost
from gateway.http.inflate import inflate
from gateway.http.response_head import MAX_HEAD_BYTES, Head, end_of_head, read_head

_LENGTHS = re.compile(r"[0-9]{1,18}(?:[ \t]*,[ \t]*[0-9]{1,18})*")
PROTOCOL = b"HTTP/1."
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class TimedResponse(Response):
    """An answer that is here whole. ``requests`` would make a cookie jar and a history for each.

    :ivar first_byte: seconds from the request to its first byte.
    """

    def __init__(
        self, request: PreparedRequest, status: int, headers: CaseInsensitiveDict[str], body: bytes
    ) -> None:
        self.request, self.url = request, request.url or ""
        self.status_code, self.headers = status, headers
        self._content = body
        self.first_byte: float | None = None


class _ChunkEvents:
    """What httptools calls while a chunked body arrives (llhttp's callbacks, named by it)."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append
        self.messages = 0
        self.ended = False

    def on_message_begin(self) -> None:
        self.messages += 1

    def on_message_complete(self) -> None:
        self.ended = True


class _Chunks:
    """A chunked body. The parser holds the events, and the events hold nothing.

    :param lines_end_in_lf: as in the head; only then may they here.
    """

    def __init__(self, *, lines_end_in_lf: bool) -> None:
        self._events = _ChunkEvents()
        self._parser = httptools.HttpResponseParser(self._events)
        self._parser.set_dangerous_leniencies(
            lenient_spaces_after_chunk_size=True,
            lenient_optional_cr_before_lf=lines_end_in_lf,
            lenient_optional_lf_after_cr=lines_end_in_lf,  # without it, llhttp takes no LF after a chunk's size
        )
        self._parser.feed_data(_CHUNKED_HEAD)

    @property
    def ended(self) -> bool:
        return self._events.ended

    def decode(self, data: bytes) -> tuple[bytes, bool]:
        """What the data has of the body, and whether something follows its end.

        :raises BadResponse: it is not chunked.
        """
        events, excess = self._events, False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not events.ended:
                raise BadResponse(detail=f"not HTTP: {error}") from error
            excess = True
        body = b"".join(events.pieces)
        events.pieces.clear()
        return body, excess or events.messages > 1


class ResponseParser:
    """One answer, whose body is held until it has come whole.

    :param no_body: it has none, whatever its head says, as it answers a HEAD.
    :param limit: bytes of its body, as it comes and once inflated.
    """

    def __init__(self, no_body: bool, limit: int) -> None:
        self._no_body, self._limit = no_body, limit
        self._unread = b""  # the beginning of a head
        self._head: Head | None = None
        self._chunks: _Chunks | None = None
        self._left: int | None = None  # bytes of a body whose length is known
        self._pieces: list[bytes] = []
        self._size = self._seen = 0
        self.headers: dict[str, str] = {}
        self.status = 0
        self.done = False
        self.reusable = False

    def feed(self, data: bytes) -> None:
        """Take what has arrived.

        :raises BadResponse: it is not HTTP, or larger than it may be.
        """
        self._seen += len(data)
        if self._head is None:
            data = self._read_heads(self._unread + data)
        if data:
            self._read_body(data)

    def _read_heads(self, data: bytes) -> bytes:
        """What follows the head. Informational ones (RFC 9110, 15.2) come before the real one."""
        searched = max(0, len(self._unread) - 3)
        start = 0
        while self._head is None:
            end = end_of_head(data, searched)
            if self._seen - len(data) + (end if end >= 0 else len(data)) > MAX_HEAD_BYTES:
                raise BadResponse(detail="headers are too large")
            if end < 0:
                self._unread = data[start:]
                if not self._unread.startswith(PROTOCOL[: len(self._unread)]):
                    raise BadResponse(detail="not HTTP: no status line")
                return b""
            head = read_head(data[start:end])
            start = searched = end
            if head.status == 101:
                raise BadResponse(detail="an upgrade nobody asked for")
            if head.status >= 200:
                self._begin(head)
        self._unread = b""
        return data[start:]

    def _begin(self, head: Head) -> None:
        """The body is read by what the head says (RFC 9112, 6.3)."""
        self._head, self.status, self.headers = head, head.status, head.joined()
        if self._no_body or head.status in (204, 304):
            self._finish()
            return
        coding = self.headers.get("transfer-encoding")
        length = self.headers.get("content-length")
        if coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise BadResponse(
                    detail="a transfer coding nobody asked for, or a length beside one"
                )
            self._chunks = _Chunks(lines_end_in_lf=head.lines_end_in_lf)
        elif length is not None:
            self._left = _length(length)
            if self._left > self._limit:
                raise BadResponse(detail=f"larger than max_response ({self._limit} bytes)")
            if not self._left:
                self._finish()

    def _read_body(self, data: bytes) -> None:
        if self.done:
            self.reusable = False  # more bytes than announced: this connection cannot be trusted
            return
        excess = False
        if self._chunks:
            data, excess = self._chunks.decode(data)
            ended = self._chunks.ended
        elif self._left is not None:
            excess = len(data) > self._left
            data = data[: self._left] if excess else data
            self._left -= len(data)
            ended = not self._left
        else:
            ended = False
        self._size += len(data)
        # A chunk of one byte comes with five around it; beyond that it is headers, trailers or chunk extensions.
        if self._seen - self._size > MAX_HEAD_BYTES + 8 * self._size:
            raise BadResponse(detail="headers are too large")
        if self._size > self._limit:
            raise BadResponse(detail=f"larger than max_response ({self._limit} bytes)")
        if data:
            self._pieces.append(data)
        if ended:
            self._finish()
            self.reusable = self.reusable and not excess

    def _finish(self) -> None:
        """All of it is here. The connection serves again only where nothing was unclear about the answer's length."""
        head = self._head
        assert head
        self.done = True
        options = self.headers.get("connection", "").lower()
        if head.minor:
            lasting = "close" not in options
        else:
            lasting = "keep-alive" in options and "close" not in options and self._chunks is None
        self.reusable = lasting and head.exact and "," not in self.headers.get("content-length", "")

    def ended(self) -> None:
        """The other side hung up: the end of a body without a length, or a loss.

        :raises ConnectionLost: nothing had come.
        :raises BadResponse: something is missing.
        """
        if not self._seen:
            raise ConnectionLost(detail="hung up without an answer")
        if self._chunks:
            body, _ = self._chunks.decode(b"\r\n")  # the last line end is all that may be missing
            whole = self._chunks.ended and not body
        else:
            whole = self._head is not None and self._left is None
        if not whole:
            raise BadResponse(detail="cut short")
        self.done = True

    def lost(self, error: OSError) -> Exception:
        """What a broken connection means at this point."""
        detail = f"{type(error).__name__}: {error}"
        return (
            BadResponse(detail=f"cut short: {detail}")
            if self._head
            else ConnectionLost(detail=detail)
        )

    def response(self, request: PreparedRequest, pause: Callable[[], None]) -> TimedResponse:
        """The answer, decoded.

        :param pause: called between steps of the decoding.
        :raises BadResponse: its ``Content-Encoding`` cannot be undone.
        """
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        plain = inflate(body, self.headers, self._limit, pause)
        return TimedResponse(request, self.status, CaseInsensitiveDict(self.headers), plain)


class StreamingResponseParser(ResponseParser):
    """One whose body is taken while it comes, however long it is, and whose headers stay as they came."""

    def __init__(self, no_body: bool) -> None:
        super().__init__(no_body, sys.maxsize)
        self.distrusted = (
            False  # not all of the request was sent: nothing more may be asked on this connection
        )

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The headers as they came, in order."""
        return self._head.passing() if self._head else []

    @property
    def reason(self) -> str:
        """What the status line says beside the status."""
        return self._head.reason if self._head else ""

    @property
    def headed(self) -> bool:
        """The head is here."""
        return self._head is not None

    @property
    def size(self) -> int:
        """Bytes of the body so far."""
        return self._size

    @property
    def begun(self) -> bool:
        """The head is here, and a part of the body or its end."""
        return self.done or bool(self._pieces)

    def _finish(self) -> None:
        super()._finish()
        self.reusable = self.reusable and not self.distrusted

    def take(self) -> bytes:
        """What has come of the body since the last time."""
        piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        return piece


def _length(text: str) -> int:
    """What ``Content-Length`` says; the same number several times is that number (RFC 9112, 6.3).

    :raises BadResponse: it is no number, or several.
    """
    if text.isdecimal() and text.isascii() and len(text) < 19:
        return int(text)
    if not _LENGTHS.fullmatch(text):
        raise BadResponse(detail="a Content-Length that is no number")
    numbers = {int(each) for each in text.split(",")}
    if len(numbers) > 1:
        raise BadResponse(detail="several Content-Lengths")
    return numbers.pop()
