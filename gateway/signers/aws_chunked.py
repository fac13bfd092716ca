"""``aws-chunked``: the framing in which AWS's SDKs send a body with a signature in each chunk, a checksum after it.

Source: Amazon S3 API reference, "Signature calculations for the Authorization header: Transferring payload in multiple
chunks" and "... including trailing headers" (docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
sigv4-streaming-trailers.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gateway.errors import InvalidParams, fields_error
from gateway.streams import RequestStream

DECLARED = "X-Amz-Content-SHA256"
DECODED_LENGTH = "X-Amz-Decoded-Content-Length"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
#: What a body framed like that is declared as.
FRAMED = frozenset(
    {UNSIGNED_TRAILER}
    | {
        f"STREAMING-AWS4-{algorithm}-PAYLOAD{trailer}"
        for algorithm in ("HMAC-SHA256", "ECDSA-P256-SHA256")
        for trailer in ("", "-TRAILER")
    }
)
MAX_LINE_BYTES = 1024  # a chunk's size and its signature
MAX_TRAILER_BYTES = 8192
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[!-~]*)?")
_CHECKSUM = re.compile(r"(x-amz-checksum-[a-z0-9]+):([!-~]+)")


class AwsChunked(RequestStream):
    """What is inside the chunks; their signatures, which are by another's credential, are left out.

    :param framed: the body as it comes.
    :param length: bytes inside, where that was declared.
    :ivar trailers: the checksums after it, once it has been read.
    :raises InvalidParams: the body is not framed so, is cut short, or has another length.
    """

    def __init__(self, framed: Iterable[bytes], length: int | None) -> None:
        super().__init__(framed, bytes, length)

    def read_whole(self) -> bytes:
        return b"".join(self)

    def pieces(self) -> Iterator[bytes]:
        parser = _Parser()
        size = 0
        for chunk in super().pieces():
            piece = parser.feed(chunk)
            size += len(piece)
            if self.length is not None and size > self.length:
                raise _other_length()
            if piece:
                yield piece
        self.trailers = parser.trailers()
        if self.length is not None and size != self.length:
            raise _other_length()


class _Parser:
    def __init__(self) -> None:
        self._held = bytearray()
        self._left = 0  # bytes of the chunk that are still to come, with the line end after it
        self._ended = False

    def feed(self, data: bytes) -> bytes:
        """What of the content this brings."""
        self._held += data
        pieces = []
        while not self._ended and self._held:
            if self._left == 0 and not self._opened():
                break
            if self._left > 2:
                piece = bytes(self._held[: self._left - 2])
                del self._held[: len(piece)]
                self._left -= len(piece)
                pieces.append(piece)
            if self._left == 2 and not self._closed():
                break
        if self._ended and len(self._held) > MAX_TRAILER_BYTES:
            raise _malformed()
        return b"".join(pieces)

    def _opened(self) -> bool:
        """Whether the line that begins a chunk was there."""
        line, end, _ = self._held.partition(b"\r\n")
        if len(line) > MAX_LINE_BYTES:
            raise _malformed()
        if not end:
            return False
        size = _CHUNK_LINE.fullmatch(line)
        if not size:
            raise _malformed()
        del self._held[: len(line) + 2]
        self._left = int(size[1], 16) + 2
        self._ended = self._left == 2
        return not self._ended

    def _closed(self) -> bool:
        """Whether the line end after a chunk was there."""
        if len(self._held) < 2:
            return False
        if self._held[:2] != b"\r\n":
            raise _malformed()
        del self._held[:2]
        self._left = 0
        return True

    def trailers(self) -> tuple[tuple[str, str], ...]:
        """The checksums that followed the last chunk; now the body has ended.

        Each line ends as the sender likes, with an empty one among them or not: AWS's own page and SDKs differ.
        """
        if not self._ended:
            raise _malformed()
        lines = [line.strip() for line in self._held.decode("latin-1").split("\n")]
        lines = [line for line in lines if line and not line.startswith("x-amz-trailer-signature:")]
        found = [_CHECKSUM.fullmatch(line) for line in lines]
        if not all(found):
            raise _malformed()
        return tuple((checksum[1], checksum[2]) for checksum in found if checksum)


def _malformed() -> InvalidParams:
    return fields_error(DECLARED, ["The body is not in the chunks that this declares."])


def _other_length() -> InvalidParams:
    return fields_error(DECODED_LENGTH, ["The body has another length."])
