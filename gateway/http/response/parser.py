"""Reading one HTTP/1.1 answer as it arrives, within limits.

Nothing in this module refers to what refers to it, so that a body is freed with its last use and
waits for no garbage collection.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress

from gateway.clock import Clock, Pause
from gateway.errors import BadResponse, ConnectionLost
from gateway.http.response.chunks import ChunkDecoder
from gateway.http.response.head import MAX_HEAD_BYTES, Head, end_of_head, read_head
from gateway.http.response.inflate import inflate

_LENGTHS = re.compile(r"[0-9]{1,18}(?:[ \t]*,[ \t]*[0-9]{1,18})*")
PROTOCOL = b"HTTP/1."


class ResponseParser:
    """One answer, whose body is held until it has come whole.

    :param no_body: it has none, whatever its head says, as it answers a HEAD.
    :param limit: bytes of its body, as it comes and once inflated.
    :ivar reusable: the connection may serve another exchange.
    """

    def __init__(self, no_body: bool, limit: int) -> None:
        self._no_body = no_body
        self._limit = limit
        self._unread = b""  # the beginning of a head
        self._head: Head | None = None
        self._chunks: ChunkDecoder | None = None
        self._remaining: int | None = None  # bytes of a body whose length is known
        self._pieces: list[bytes] = []
        self._body_bytes = 0
        self._received_bytes = 0
        self.headers: dict[str, str] = {}
        self.status = 0
        self.done = False
        self.reusable = False

    def feed(self, data: bytes) -> None:
        """Take what has arrived; nothing, where the other side hung up.

        :raises BadResponse: it is not HTTP, larger than it may be, or not all there at the end.
        :raises ConnectionLost: it hung up before anything had come.
        """
        if not data:
            self._end()
            return
        self._received_bytes += len(data)
        if self._head is None:
            data = self._read_heads(self._unread + data)
        if data:
            self._read_body(data)

    def _read_heads(self, data: bytes) -> bytes:
        """Return what follows the head; informational ones (RFC 9110, 15.2) come before it."""
        searched = max(0, len(self._unread) - 3)
        start = 0
        while self._head is None:
            end = end_of_head(data, searched)
            unread_bytes = len(data) - end if end >= 0 else 0
            if self._received_bytes - unread_bytes > MAX_HEAD_BYTES:
                raise BadResponse(detail="headers are too large")
            if end < 0:
                self._unread = data[start:]
                if not self._unread.startswith(PROTOCOL[: len(self._unread)]):
                    raise BadResponse(detail="not HTTP: no status line")
                return b""
            head = read_head(data[start:end])
            start = end
            searched = end
            if head.status == 101:
                raise BadResponse(detail="an upgrade nobody asked for")
            if head.status >= 200:
                self._begin(head)
        self._unread = b""
        return data[start:]

    def _begin(self, head: Head) -> None:
        """Read the body by what the head says (RFC 9112, 6.3)."""
        self._head = head
        self.status = head.status
        self.headers = head.to_dict()
        if self._no_body or head.status in (204, 304):
            self._finish()
            return
        coding = self.headers.get("transfer-encoding")
        length = self.headers.get("content-length")
        if coding is not None and coding.lower() != "identity":  # which says nothing (RFC 2616)
            if coding.lower() != "chunked" or length is not None:
                raise BadResponse(
                    detail="a transfer coding nobody asked for, or a length beside one"
                )
            self._chunks = ChunkDecoder(lines_end_in_lf=head.lines_end_in_lf)
        elif length is not None:
            self._remaining = _parse_length(length)
            if self._remaining > self._limit:
                raise self._size_error()
            if not self._remaining:
                self._finish()

    def _read_body(self, data: bytes) -> None:
        if self.done:
            self.reusable = False  # more bytes than announced: this connection cannot be trusted
            return
        excess = False
        complete = False
        if self._chunks:
            data, excess = self._chunks.decode(data)
            complete = self._chunks.complete
        elif self._remaining is not None:
            if len(data) > self._remaining:
                excess = True
                data = data[: self._remaining]
            self._remaining -= len(data)
            complete = not self._remaining
        self._body_bytes += len(data)
        # A chunk of one byte comes with five around it; beyond that it is headers, trailers or
        # chunk extensions.
        if self._received_bytes - self._body_bytes > MAX_HEAD_BYTES + 8 * self._body_bytes:
            raise BadResponse(detail="headers are too large")
        if self._body_bytes > self._limit:
            raise self._size_error()
        if data:
            self._pieces.append(data)
        if complete:
            self._finish()
            self.reusable = self.reusable and not excess

    def _size_error(self) -> BadResponse:
        return BadResponse(detail=f"larger than max_response ({self._limit} bytes)")

    def _finish(self) -> None:
        """Note that all is here; the connection serves again only where its length was clear."""
        head = self._head
        assert head
        self.done = True
        options = self.headers.get("connection", "").lower()
        if head.minor:
            persistent = "close" not in options
        else:
            persistent = "keep-alive" in options and "close" not in options and not self._chunks
        clear = head.exact and "," not in self.headers.get("content-length", "")
        self.reusable = persistent and clear

    def _end(self) -> None:
        """Take it that the other side hung up: the end of a body without a length, or a loss."""
        if not self._received_bytes:
            raise ConnectionLost(detail="hung up without an answer")
        if self._chunks:
            body, _ = self._chunks.decode(b"\r\n")  # the last line end is all that may be missing
            complete = self._chunks.complete and not body
        else:
            complete = self._head is not None and self._remaining is None
        if not complete:
            raise BadResponse(detail="cut short")
        self.done = True

    def connection_error(self, error: OSError) -> Exception:
        """Return what a broken connection means at this point."""
        detail = f"{type(error).__name__}: {error}"
        if self._head:
            return BadResponse(detail=f"cut short: {detail}")
        return ConnectionLost(detail=detail)

    def body(self, clock: Clock) -> bytes:
        """Return the body without its ``Content-Encoding``.

        :raises BadResponse: that cannot be undone.
        """
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        if "content-encoding" in self.headers:
            return inflate(body, self.headers, self._limit, Pause(clock))
        return body


class StreamingResponseParser(ResponseParser):
    """One answer whose body is taken while it comes, however long it is."""

    def __init__(self, no_body: bool) -> None:
        super().__init__(no_body, sys.maxsize)
        #: Not all of the request was sent: nothing more may be asked on this connection.
        self.request_cut_short = False

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The headers as they came, in order, but for a length that cannot be passed on so."""
        pairs: list[tuple[str, str]] = []
        if self._head:
            pairs = self._head.sanitize()
        length = self.headers.get("content-length")
        if length is None or length.isdecimal():
            return pairs
        return _with_one_length(pairs, length)

    @property
    def reason(self) -> str:
        """What the status line says beside the status."""
        return self._head.reason if self._head else ""

    @property
    def has_head(self) -> bool:
        return self._head is not None

    @property
    def size(self) -> int:
        """Bytes of the body so far."""
        return self._body_bytes

    @property
    def has_body(self) -> bool:
        """Whether a part of the body has come, or its end."""
        return self.done or bool(self._pieces)

    def _finish(self) -> None:
        super()._finish()
        self.reusable = self.reusable and not self.request_cut_short

    def take(self) -> bytes:
        """Return what has come of the body since the last time."""
        piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        return piece


def _with_one_length(pairs: list[tuple[str, str]], length: str) -> list[tuple[str, str]]:
    """Return headers whose ``Content-Length`` is one number (RFC 9110, 8.6).

    There is none if it says no number, as it may where no body comes (HEAD, 304).
    """
    others = [pair for pair in pairs if pair[0].lower() != "content-length"]
    with suppress(BadResponse):
        others.append(("Content-Length", str(_parse_length(length))))
    return others


def _parse_length(text: str) -> int:
    """Return what ``Content-Length`` says.

    The same number several times is that number (RFC 9112, 6.3).

    :raises BadResponse: it is no number, or several.
    """
    if text.isdecimal() and text.isascii() and len(text) < 19:
        return int(text)
    if not _LENGTHS.fullmatch(text):
        raise BadResponse(detail="a Content-Length that is no number")
    numbers = {int(number) for number in text.split(",")}
    if len(numbers) > 1:
        raise BadResponse(detail="several Content-Lengths")
    return numbers.pop()
