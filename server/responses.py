"""How an answer goes out: head and first piece in one send, framed as RFC 9112 has it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from server.request_head import Request

SERVER = "gunicorn"  # as its own responses say
#: Of one connection, or said here. A proxied answer keeps the vendor's ``Server`` and ``Date``.
_PER_CONNECTION = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers"}
) | {"transfer-encoding", "upgrade"}
_HEADERS = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t\x21-\x7e\x80-\xff]*\r\n)*")
_STATUS = re.compile(r"[0-9]{3}(?: [ \t\x21-\x7e\x80-\xff]*)?")

Headers = Iterable[tuple[str, str]]


class BadHeader(ValueError):
    """The application gave a status or a header that would break the message."""


@lru_cache(maxsize=1)  # each second once
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)


class Response:
    """One answer; ``start`` is the ``start_response`` of PEP 3333.

    :param send: sends all of some bytes.
    :param ends: the connection ends with it.
    """

    __slots__ = (
        "_chunked",
        "_headers",
        "_remaining",
        "_request",
        "_send",
        "_status",
        "ends",
        "sent",
    )

    def __init__(self, send: Callable[[bytes], None], request: Request, *, ends: bool) -> None:
        self._send = send
        self._request = request
        self._status = ""
        self._headers: Headers = ()
        self._chunked = False
        self._remaining: int | None = None
        self.ends = ends or not request.keep_alive
        self.sent = False

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        """
        :raises AssertionError: it was started, and nothing went wrong since.
        """
        if exc_info and self.sent:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._status and not exc_info:
            raise AssertionError("The response was started already.")
        self._status = status
        self._headers = headers
        return self.write

    def write(self, piece: bytes) -> None:
        """Send a piece, and the head before the first."""
        head = b"" if self.sent else self._head()
        if self._remaining is not None:
            piece = piece[: self._remaining]
            self._remaining -= len(piece)
        if self._chunked and piece:
            piece = b"%X\r\n%b\r\n" % (len(piece), piece)
        if data := head + piece:
            self._send(data)

    def close(self) -> None:
        """End it. One that has fewer bytes than it said ends the connection."""
        if not self.sent:
            self.write(b"")
        if self._chunked:
            self._send(b"0\r\n\r\n")
        if self._remaining and self._request.verb != "HEAD":
            self.ends = True

    def _head(self) -> bytes:
        """Return the head, and decide how the body is framed."""
        stream = self._request.stream
        self.ends = self.ends or (stream is not None and stream.ends_connection())
        date = _http_date(int(time.time()))
        own = {"server": f"Server: {SERVER}\r\n", "date": f"Date: {date}\r\n"}
        lines = []
        length: int | None = None
        for name, value in self._headers:
            lower = name.lower()
            if lower == "content-length":
                length = int(value)
            elif lower in _PER_CONNECTION:
                self.ends = self.ends or (lower == "connection" and value.lower() == "close")
                continue
            elif lower in own:
                own[lower] = ""
            lines.append(f"{name}: {value}\r\n")
        text = "".join(lines)
        if not (_HEADERS.fullmatch(text) and _STATUS.fullmatch(self._status)):
            raise BadHeader("A status or a header of the answer is none.")
        if self._set_framing(length):
            text += "Transfer-Encoding: chunked\r\n"
        connection = "close" if self.ends else "keep-alive"
        line = f"HTTP/1.{self._request.minor} {self._status}\r\n"
        self.sent = True
        return (f"{line}{own['server']}{own['date']}Connection: {connection}\r\n{text}\r\n").encode(
            "latin-1"
        )

    def _set_framing(self, length: int | None) -> bool:
        """Return whether the body goes in chunks: the caller knows them, its length is unknown."""
        status = self._status[:3]
        if self._request.verb == "HEAD" or status in ("204", "304") or status < "200":
            self._remaining = 0
            return False
        self._remaining = length
        self._chunked = length is None and self._request.minor > 0
        if length is None and not self._chunked:
            self.ends = True
        return self._chunked
