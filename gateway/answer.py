"""Reading one HTTP/1.1 answer as it arrives: httptools parses, this holds it to its limits."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Mapping

import httptools
from requests import PreparedRequest, Response
from requests.structures import CaseInsensitiveDict

from gateway.errors import BadResponse, ConnectionLost

MOST_HEADER_BYTES = 65536
MOST_MEMBERS = 100  # of one gzip body; each costs a copy of what follows it


class TimedResponse(Response):
    """:ivar first_byte: seconds from the request to its first byte."""

    first_byte: float | None = None


class Answer:
    """What httptools calls while an answer arrives (llhttp's callbacks, named by it)."""

    def __init__(self, no_body: bool, limit: int) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._no_body, self._limit = no_body, limit
        self.headers: dict[str, str] = {}
        self.status = 0
        self._chunks: list[bytes] = []
        self._size = self._seen = 0
        self._headers_done = self.done = False
        self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._headers_done:
            return  # a trailer: nothing it says may change how the body is read (RFC 9110, 6.5.1)
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        if self.done:
            return
        self.status = self._parser.get_status_code()
        if self.status < 100:
            raise ValueError("no status")  # the parser has it come out of ``feed`` as its own
        if self.headers.get("transfer-encoding", "chunked").lower() != "chunked":
            raise ValueError("a transfer coding nobody asked for")  # RFC 9112, 7.4
        if self.status >= 200:
            self._headers_done = True
            if self._no_body or self.status in (204, 304):
                self._finish()

    def on_body(self, body: bytes) -> None:
        if not self.done:
            self._chunks.append(body)
            self._size += len(body)

    def on_message_complete(self) -> None:
        if self._headers_done:
            self._finish()
        else:  # an informational answer (RFC 9110, 15.2); the real one follows
            self.headers.clear()

    def on_message_begin(self) -> None:
        if self.done:
            self.reusable = False  # more bytes than announced: this connection cannot be trusted

    def _finish(self) -> None:
        if not self.done:
            self.done = True
            self.reusable = self._parser.should_keep_alive()

    def feed(self, data: bytes) -> None:
        self._seen += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise BadResponse(detail="an upgrade nobody asked for") from error
        except httptools.HttpParserError as error:
            if not self.done:
                raise BadResponse(detail=f"not HTTP: {error}") from error
            self.reusable = False
        # A chunk of one byte comes with five around it; beyond that it is headers, trailers or chunk extensions.
        if self._seen - self._size > MOST_HEADER_BYTES + 8 * self._size:
            raise BadResponse(detail="headers are too large")
        if self._size > self._limit:
            raise BadResponse(detail=f"larger than max_response ({self._limit} bytes)")

    def ended(self) -> None:
        """The other side hung up: the end of a body without a length, or a loss."""
        if not self._seen:
            raise ConnectionLost(detail="hung up without an answer")
        until_close = "content-length" not in self.headers and "transfer-encoding" not in self.headers
        if not (self._headers_done and until_close):
            raise BadResponse(detail="cut short")
        self.done = True

    def lost(self, error: OSError) -> Exception:
        """What a broken connection means at this point."""
        said = f"{type(error).__name__}: {error}"
        return BadResponse(detail=f"cut short: {said}") if self._headers_done else ConnectionLost(detail=said)

    def response(self, request: PreparedRequest) -> TimedResponse:
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        response = TimedResponse()
        response.status_code = self.status
        response.headers = CaseInsensitiveDict(self.headers)
        response.request, response.url = request, request.url or ""
        response._content = inflated(body, self.headers, self._limit)
        return response


class StreamedAnswer(Answer):
    """One whose body is taken while it comes, however long it is, and whose headers stay as they came."""

    def __init__(self, no_body: bool) -> None:
        super().__init__(no_body, sys.maxsize)
        self.pairs: list[tuple[str, str]] = []
        self.distrusted = False  # not all of the request was sent: nothing more may be asked on this connection

    @property
    def headed(self) -> bool:
        """The head is here."""
        return self._headers_done

    @property
    def size(self) -> int:
        """Bytes of the body so far."""
        return self._size

    @property
    def begun(self) -> bool:
        """The head is here, and a part of the body or its end."""
        return self.done or bool(self._chunks)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headers_done:
            self.pairs.append((name.decode("latin-1"), value.decode("latin-1")))
        super().on_header(name, value)

    def on_message_complete(self) -> None:
        if not self._headers_done:
            self.pairs.clear()
        super().on_message_complete()

    def _finish(self) -> None:
        super()._finish()
        self.reusable = self.reusable and not self.distrusted

    def take(self) -> bytes:
        """What has come of the body since the last time."""
        piece = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        return piece


def inflated(body: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """A body without its ``Content-Encoding``.

    :param headers: names in lower case.
    :raises BadResponse: larger than ``limit`` bytes, or in no encoding that we know.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    return _inflate(body, encoding, limit) if encoding and encoding != "identity" and body else body


def _members(body: bytes, window: int, limit: int) -> bytes:
    """All that is compressed: a gzip body may be several members in a row (RFC 1952, 2.2)."""
    plain = b""
    for _ in range(MOST_MEMBERS):
        inflater = zlib.decompressobj(window)
        plain += inflater.decompress(body, limit + 1 - len(plain))
        if len(plain) > limit:
            raise BadResponse(detail=f"larger than max_response ({limit} bytes) once inflated")
        if not inflater.eof:
            raise BadResponse(detail="compressed body is cut short")
        body = inflater.unused_data
        if not body:
            return plain
    raise BadResponse(detail="compressed in too many pieces")


def _inflate(body: bytes, encoding: str, limit: int) -> bytes:
    windows: dict[str, tuple[int, ...]] = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
    failure: Exception | None = None
    for window in windows.get(encoding, ()):
        try:
            return _members(body, window, limit)
        except zlib.error as error:
            failure = error
    raise BadResponse(detail=f"cannot undo Content-Encoding {encoding[:40]!r}") from failure
