"""A body in chunks (RFC 9112, 7.1), decoded as it arrives."""

from __future__ import annotations

import httptools

from gateway.errors import BadResponse

_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class _ChunkEvents:
    """What httptools calls while a chunked body arrives (llhttp's callbacks, named by it)."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append
        self.messages = 0
        self.complete = False

    def on_message_begin(self) -> None:
        self.messages += 1

    def on_message_complete(self) -> None:
        self.complete = True


class ChunkDecoder:
    """A chunked body. The parser holds the events, and the events hold nothing.

    :param lines_end_in_lf: as in the head; only then may they here.
    """

    def __init__(self, *, lines_end_in_lf: bool) -> None:
        self._events = _ChunkEvents()
        self._parser = httptools.HttpResponseParser(self._events)
        self._parser.set_dangerous_leniencies(
            lenient_spaces_after_chunk_size=True,
            lenient_optional_cr_before_lf=lines_end_in_lf,
            # Without it, llhttp takes no LF after a chunk's size.
            lenient_optional_lf_after_cr=lines_end_in_lf,
        )
        self._parser.feed_data(_CHUNKED_HEAD)

    @property
    def complete(self) -> bool:
        return self._events.complete

    def decode(self, data: bytes) -> tuple[bytes, bool]:
        """Return what the data has of the body, and whether something follows its end.

        :raises BadResponse: it is not chunked.
        """
        events = self._events
        excess = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not events.complete:
                raise BadResponse(detail=f"not HTTP: {error}") from error
            excess = True
        body = b"".join(events.pieces)
        events.pieces.clear()
        return body, excess or events.messages > 1
