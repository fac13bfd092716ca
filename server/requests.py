"""gunicorn's reader of requests, with limits that are named, RFC 9112's rules for Host, and raw UTF-8 in a target."""

from __future__ import annotations

import math
import re
from typing import Any

from gunicorn.http import message
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import (
    InvalidHeader,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.http.parser import Parser

from api.errors import BrokenBody, HeadersTooLarge, MalformedBody
from gateway.errors import CallerError
from server import connections

MAX_LINE_BYTES = 8190  # of the request line; as much as nginx takes
MAX_HEADER_BYTES = 8190
MAX_HEADERS = 100
MAX_HEAD_BYTES = 65536  # all headers together
SMALL_BODY_BYTES = 8192  # of a body that the application is not asked about before it is there
DRAIN_BYTES = 65536  # of a body that nobody read; of a longer one the connection ends
#: uri-host [ ":" port ] of RFC 3986, 3.2.2; reg-names may hold what is percent-encoded, addresses stand in brackets.
_HOST = re.compile(
    r"""(?: \[ [0-9A-Za-z:._~!$&'()*+,;=-]+ \] | (?: [0-9A-Za-z._~!$&'()*+,;=-] | %[0-9A-Fa-f]{2} )+ )
        (?: : [0-9]{0,5} )?""",
    re.VERBOSE,
)
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_HEADER_LIMITS = {
    "limit request headers fields": f"There are more than {MAX_HEADERS} headers.",
    "limit request headers fields size": f"A header is over {MAX_HEADER_BYTES} bytes.",
    "max buffer headers": f"The headers are over {MAX_HEAD_BYTES} bytes together.",
}


class BadHost(ParseException):
    """RFC 9112, 3.2: a request of HTTP/1.1 has one Host, and a good one; one of HTTP/1.0 may have none."""


class BadTarget(ParseException):
    """The request target has bytes that are not UTF-8."""


class Request(message.Request):
    """One request; its connection is told when its head begins and ends."""

    _expected_100_continue: bool
    _head = b""

    def parse(self, unreader: Any) -> Any:
        self.max_buffer_headers = MAX_HEAD_BYTES
        unreader.await_request()
        rest = super().parse(unreader)
        self._check_host()
        return rest

    def read_into(self, unreader: Any, buf: bytearray, stop: bool = False) -> None:
        if not stop:  # the first read waits for a request to begin
            unreader.await_head()
        super().read_into(unreader, buf, stop)

    def parse_request_line(self, line_bytes: bytes) -> None:
        """Percent-encode what is raw UTF-8 in the target; ``uri`` stays as it came, which is what an app has signed.

        :raises BadTarget: it is not UTF-8.
        """
        if line_bytes.isascii():
            super().parse_request_line(line_bytes)
            return
        verb, _, rest = line_bytes.partition(b" ")
        target, _, version = rest.rpartition(b" ")
        try:
            target.decode()
        except UnicodeDecodeError as error:
            raise BadTarget from error
        encoded = _BEYOND_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], target)
        super().parse_request_line(b" ".join((verb, encoded, version)))
        self.uri = target.decode("latin-1")

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> Any:
        """The head stays: gunicorn's list has names in capitals, none with ``_``, and an environ joins lines."""
        if not from_trailer:
            self._head = data
        return super().parse_headers(data, from_trailer)

    def set_body_reader(self) -> None:
        super().set_body_reader()
        self.body.head = self._head
        self.body.caller_is_known = self.unreader.caller_is_known
        self.unreader.await_body(expects_continue=self._expected_100_continue)
        self._expected_100_continue = (
            False  # it is the connection that says 100, once the body is wanted
        )

    def await_small_body(self) -> None:
        """So that who sends it slowly takes no part of the application meanwhile."""
        reader, source = self.body.reader, self.unreader
        if (
            not isinstance(reader, LengthReader)
            or reader.length > SMALL_BODY_BYTES
            or source.expects_continue
        ):
            return
        if source.buf.getbuffer().nbytes < reader.length:
            source.unread(source.read(reader.length))

    def unread_bytes(self) -> float:
        """How much of the body may still come; infinite for chunks, whose end is not known."""
        reader = self.body.reader
        if isinstance(reader, LengthReader):
            return max(0.0, reader.length - self.unreader.buf.getbuffer().nbytes)
        return math.inf if isinstance(reader, ChunkedReader) and reader.parser else 0.0

    def ends_connection(self) -> bool:
        """Whether more of the body is to come than is worth reading, or the caller may never send it."""
        unread = self.unread_bytes()
        return unread > DRAIN_BYTES or (unread > 0 and self.unreader.expects_continue)

    def _check_host(self) -> None:
        hosts = [value for name, value in self.headers if name == "HOST"]
        if not hosts or not hosts[0]:
            if self.version > (1, 0):
                raise BadHost("HTTP/1.1 asks for a Host header.")
        elif not _HOST.fullmatch(hosts[0]):
            raise BadHost("The Host header is not a host with or without a port.")


class RequestParser(Parser):
    """The requests of one connection, one after another."""

    mesg_class = Request

    def __init__(self, cfg: Any, connection: Any, address: Any) -> None:
        super().__init__(cfg, (), address)
        self.unreader = connection

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        """Read what nobody wanted of a body; return whether another request may follow it."""
        try:
            return bool(super().finish_body(deadline, max_bytes))
        except BrokenBody:
            return False


def failure_of(error: ParseException) -> CallerError:
    """What a caller is told of a request that could not be read; nothing of what it sent."""
    if isinstance(error, LimitRequestLine):
        return HeadersTooLarge(f"The request line is over {MAX_LINE_BYTES} bytes.")
    if isinstance(error, LimitRequestHeaders):
        return HeadersTooLarge(_HEADER_LIMITS.get(str(error)))
    if isinstance(error, BadHost):
        return MalformedBody(str(error))
    if isinstance(error, InvalidHeader) and error.hdr == "HOST":
        return MalformedBody("There is more than one Host header.")
    if isinstance(error, BadTarget):
        return MalformedBody("The request target is not UTF-8; percent-encode what is not ASCII.")
    if isinstance(error, connections.HeadTooSlow):
        return MalformedBody(
            f"The request line and the headers did not come within {connections.HEAD_SECONDS} seconds."
        )
    return MalformedBody("This is not an HTTP request that can be understood.")
