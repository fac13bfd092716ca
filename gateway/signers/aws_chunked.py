"""``aws-chunked``: the framing of AWS's SDKs, with a signature in each chunk and a checksum behind.

Source: Amazon S3 API reference, "Signature calculations for the Authorization header: Transferring
payload in multiple chunks" and "... including trailing headers"
(docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from gateway.errors import InvalidParams, fields_error
from gateway.http_messages import HttpRequest, without_headers
from gateway.streams import RequestStream

CONTENT_SHA256 = "X-Amz-Content-SHA256"
DECODED_LENGTH = "X-Amz-Decoded-Content-Length"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
#: What ``CONTENT_SHA256`` says of a body in this framing.
CHUNKED_PAYLOADS = frozenset(
    {UNSIGNED_TRAILER}
    | {
        f"STREAMING-AWS4-{algorithm}-PAYLOAD{trailer}"
        for algorithm in ("HMAC-SHA256", "ECDSA-P256-SHA256")
        for trailer in ("", "-TRAILER")
    }
)
MAX_LINE_BYTES = 1024  # a chunk's size and its signature
MAX_TRAILER_BYTES = 8192
_FRAMING_HEADERS = frozenset(
    {CONTENT_SHA256.lower(), DECODED_LENGTH.lower(), "x-amz-trailer", "content-encoding"}
)
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[!-~]*)?")
_CHECKSUM = re.compile(r"(x-amz-checksum-[a-z0-9]+):([!-~]+)")
_LINE_END = b"\r\n"


def unframe(request: HttpRequest) -> HttpRequest:
    """Return the request with its body out of the chunks.

    What follows the last chunk is in the upload's ``trailers``, or among the headers.

    :raises InvalidParams: it is no such body.
    """
    length = request.header(DECODED_LENGTH)
    if length is not None and not re.fullmatch("[0-9]{1,18}", length):
        raise fields_error(DECODED_LENGTH, ["Must be a number of bytes."])
    headers = without_headers(request.headers, _FRAMING_HEADERS)
    encodings = _other_encodings(request)
    if encodings:
        headers["Content-Encoding"] = ", ".join(encodings)
    framed = request.upload or [request.body]
    content = AwsChunked(framed, None if length is None else int(length))
    if request.upload:
        return replace(request, headers=headers, upload=content)
    body = content.read_whole()
    return replace(request, headers={**headers, **dict(content.trailers)}, body=body)


def _other_encodings(request: HttpRequest) -> list[str]:
    encodings = (request.header("Content-Encoding") or "").split(",")
    stripped = [encoding.strip() for encoding in encodings]
    return [encoding for encoding in stripped if encoding.lower() not in ("", "aws-chunked")]


class AwsChunked(RequestStream):
    """The content of the chunks, without their signatures: those are by another's credential.

    :param framed: the body as it comes.
    :param length: bytes inside, where that was declared.
    :ivar trailers: the checksums behind the body, once it has been read.
    :raises InvalidParams: the body is not in this framing, is cut short, or has another length.
    """

    def __init__(self, framed: Iterable[bytes], length: int | None) -> None:
        super().__init__(framed, bytes, length)

    def read_whole(self) -> bytes:
        return b"".join(self)

    def pieces(self) -> Iterator[bytes]:
        parser = _Parser()
        size = 0
        for data in super().pieces():
            piece = parser.feed(data)
            size += len(piece)
            if self.length is not None and size > self.length:
                raise _wrong_length()
            if piece:
                yield piece
        self.trailers = parser.trailers()
        if self.length is not None and size != self.length:
            raise _wrong_length()


class _Parser:
    """Takes content out of the framing, whatever the pieces in which it comes."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._pending = 0  # bytes of the chunk that are still to come, its line end included
        self._at_end = False

    def feed(self, data: bytes) -> bytes:
        """Return the content that this data brings."""
        self._buffer += data
        pieces = []
        while not self._at_end and self._buffer:
            if self._pending == 0 and not self._read_chunk_line():
                break
            content_bytes = self._pending - len(_LINE_END)
            if content_bytes > 0:
                piece = bytes(self._buffer[:content_bytes])
                del self._buffer[: len(piece)]
                self._pending -= len(piece)
                pieces.append(piece)
            if self._pending == len(_LINE_END) and not self._read_line_end():
                break
        if self._at_end and len(self._buffer) > MAX_TRAILER_BYTES:
            raise _malformed()
        return b"".join(pieces)

    def trailers(self) -> tuple[tuple[str, str], ...]:
        """Return the checksums that followed the last chunk, now that the body has ended.

        Each line ends as the sender likes, with an empty one among them or not: AWS's own page and
        SDKs differ.
        """
        if not self._at_end:
            raise _malformed()
        checksums = []
        for line in self._buffer.decode("latin-1").split("\n"):
            trailer = line.strip()
            if not trailer or trailer.startswith("x-amz-trailer-signature:"):
                continue
            checksum = _CHECKSUM.fullmatch(trailer)
            if not checksum:
                raise _malformed()
            checksums.append((checksum[1], checksum[2]))
        return tuple(checksums)

    def _read_chunk_line(self) -> bool:
        """Return whether the line that begins a chunk has come, and is not that of the last one."""
        line, end, _ = self._buffer.partition(_LINE_END)
        if len(line) > MAX_LINE_BYTES:
            raise _malformed()
        if not end:
            return False
        chunk_line = _CHUNK_LINE.fullmatch(line)
        if not chunk_line:
            raise _malformed()
        del self._buffer[: len(line) + len(_LINE_END)]
        size = int(chunk_line[1], 16)
        self._pending = size + len(_LINE_END)
        self._at_end = size == 0
        return not self._at_end

    def _read_line_end(self) -> bool:
        """Return whether the line end behind a chunk has come."""
        if len(self._buffer) < len(_LINE_END):
            return False
        if self._buffer[: len(_LINE_END)] != _LINE_END:
            raise _malformed()
        del self._buffer[: len(_LINE_END)]
        self._pending = 0
        return True


def _malformed() -> InvalidParams:
    return fields_error(CONTENT_SHA256, ["The body is not in the chunks that this declares."])


def _wrong_length() -> InvalidParams:
    return fields_error(DECODED_LENGTH, ["The body has another length."])
