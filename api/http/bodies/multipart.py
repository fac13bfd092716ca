"""``multipart/form-data`` (RFC 7578), read as it arrives, with two chunks of it in memory.

Not werkzeug's decoder: up to 3.1 it keeps a stray CR when a chunk ends inside the last delimiter,
and it collects a preamble of any length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flask import request
from werkzeug.http import parse_options_header

from api.errors import MalformedBody, UnsupportedMediaType

FORM_TYPE = "multipart/form-data"
MAX_HEAD_BYTES = 16 * 1024  # of one part's headers
#: RFC 2046, 5.1.1 says 70; some senders, werkzeug's own among them, go a little over.
MAX_BOUNDARY_CHARACTERS = 200
_LONE_BACKSLASH = re.compile(r'(\\[\\"])|\\')  # browsers send one as it is, werkzeug would drop it


@dataclass(frozen=True, slots=True)
class PartHead:
    """The headers of a part. ``filename`` is None for a plain field."""

    name: str
    filename: str | None
    content_type: str


def form_boundary() -> bytes:
    """Return the boundary of this request's body.

    :raises UnsupportedMediaType: it is not ``multipart/form-data``.
    :raises MalformedBody: it names no boundary, or one that cannot be.
    """
    if request.mimetype != FORM_TYPE:
        raise UnsupportedMediaType.instead_of(request.content_type, FORM_TYPE)
    boundary = request.mimetype_params.get("boundary", "")
    if not (
        0 < len(boundary) <= MAX_BOUNDARY_CHARACTERS
        and boundary.isascii()
        and boundary.isprintable()
    ):
        raise MalformedBody(
            "The Content-Type header names no boundary that can be used; let curl -F write it."
        )
    return boundary.encode()


def read_form(chunks: Iterable[bytes], boundary: bytes) -> Iterator[PartHead | bytes]:
    """Yield the head of each part and then its bytes in pieces; reads all chunks to the end.

    :raises MalformedBody: it is not such a form, or not all of one.
    """
    form = _Form(chunks, boundary)
    form.skip()
    while not form.ended():
        yield form.head()
        yield from form.body()
    form.drain()


class _Form:
    def __init__(self, chunks: Iterable[bytes], boundary: bytes) -> None:
        self._chunks = iter(chunks)
        self._delimiter = b"\r\n--" + boundary
        self._buffer = bytearray(b"\r\n")  # the first delimiter may stand at the very beginning

    def skip(self) -> None:
        """Discard the preamble."""
        for _ in self.body():
            pass

    def body(self) -> Iterator[bytes]:
        """Yield what stands before the next delimiter, and discard the delimiter."""
        overlap = len(self._delimiter) - 1  # may be the beginning of a delimiter
        while (at := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > overlap:
                piece = bytes(self._buffer[:-overlap])
                del self._buffer[:-overlap]
                yield piece
            self._read_more()
        if at:
            yield bytes(self._buffer[:at])
        del self._buffer[: at + len(self._delimiter)]

    def ended(self) -> bool:
        """Return whether the delimiter just taken was the last."""
        while len(self._buffer) < 2:
            self._read_more()
        if self._buffer.startswith(b"--"):
            return True
        if self._until(b"\r\n").strip(b" \t"):
            raise MalformedBody(
                "The body is not a form: a delimiter goes on after its end; let curl -F write it."
            )
        self._buffer[:0] = b"\r\n"  # a part without headers begins with an empty line
        return False

    def head(self) -> PartHead:
        try:
            lines = self._until(b"\r\n\r\n").decode().split("\r\n")
        except UnicodeDecodeError as error:
            raise MalformedBody(
                "The headers of a part are not UTF-8; send names in UTF-8."
            ) from error
        delimiter = self._delimiter[2:]
        while len(self._buffer) < len(delimiter):
            self._read_more()
        # Some senders end a part without bytes by the line that begins it.
        if self._buffer.startswith(delimiter):
            self._buffer[:0] = b"\r\n"
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        disposition = headers.get("content-disposition", "")
        kind, options = parse_options_header(
            _LONE_BACKSLASH.sub(lambda match: match[1] or "\\\\", disposition)
        )
        if kind != "form-data" or "name" not in options:
            raise MalformedBody("A part of the form has no name; write curl -F NAME=VALUE.")
        content_type = headers.get("content-type") or "application/octet-stream"
        return PartHead(options["name"], options.get("filename"), content_type)

    def drain(self) -> None:
        """Discard what stands after the last delimiter; it is part of the body."""
        for _ in self._chunks:
            pass

    def _until(self, end: bytes) -> bytes:
        while (at := self._buffer.find(end)) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                break
            self._read_more()
        if not 0 <= at <= MAX_HEAD_BYTES:
            raise MalformedBody("The headers of a part are too long; send shorter names.")
        head = bytes(self._buffer[:at])
        del self._buffer[: at + len(end)]
        return head

    def _read_more(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            raise MalformedBody("The form ends before its last delimiter; send it again, whole.")
        self._buffer += chunk
