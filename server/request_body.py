"""The body of a request, read off its connection as the application asks for it."""

from __future__ import annotations

import io
import math

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import ParseException

from api.errors import BrokenBody
from server.connections import CallerConnection
from server.request_head import MAX_HEAD_BYTES, MAX_HEADER_BYTES, Request, check_trailers

SMALL_BODY_BYTES = 8192  # of a body that the application is not asked about before it is there
DRAIN_BYTES = 65536  # of a body that nobody read; of a longer one the connection ends


class StreamedBody(Body):
    """A body that comes as it is read."""

    def __init__(self, connection: CallerConnection, request: Request) -> None:
        self._connection = connection
        if request.length is None:
            super().__init__(ChunkedReader(_Limits(), connection))
        else:
            super().__init__(LengthReader(connection, request.length))

    def unread_bytes(self) -> float:
        """How much may still come; infinite for chunks, whose end is not known."""
        if isinstance(self.reader, LengthReader):
            return max(0, self.reader.length - self._connection.buffered)
        return math.inf if self.reader.parser else 0

    def ends_connection(self) -> bool:
        """Return whether more is to come than is worth reading, or the caller may never send it."""
        unread = self.unread_bytes()
        return unread > DRAIN_BYTES or (unread > 0 and self._connection.expects_continue)

    def finish(self) -> bool:
        """Read what nobody wanted; return whether another request may follow."""
        if self.failed:
            return False
        try:
            while self.read(DRAIN_BYTES):
                pass
        except (BrokenBody, ParseException):
            return False
        return self.unread_bytes() == 0


class _Limits:
    """What gunicorn's reader of chunks asks of its request."""

    limit_request_field_size = MAX_HEADER_BYTES
    max_buffer_headers = MAX_HEAD_BYTES

    def parse_headers(self, data: bytes, *, from_trailer: bool) -> list[tuple[str, str]]:
        check_trailers(data)
        return []


def open_body(connection: CallerConnection, request: Request) -> io.BytesIO | StreamedBody:
    """Return the body.

    A small one is here whole before the application is asked, so that who sends it slowly takes no
    part of it.

    :raises BrokenBody: it came too slowly.
    """
    if request.length == 0:
        return io.BytesIO()
    connection.await_body(expects_continue=request.expects_continue)
    length = request.length
    if length is None or length > SMALL_BODY_BYTES or request.expects_continue:
        request.stream = StreamedBody(connection, request)
        return request.stream
    return io.BytesIO(connection.read(length))
