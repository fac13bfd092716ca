"""HTTP/1.1 over one accepted socket (RFC 9112): reads requests, writes replies, waits."""

import re
import select
import socket
import struct
import threading
import time
from contextlib import suppress
from http.client import responses
from urllib.parse import parse_qs, unquote, urlsplit

from sandbox.messages import Reply, Request, json_reply

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
LINGER_SECONDS = 1.0
SERVER_NAME = "postern-sandbox"

_REQUEST_LINE = re.compile(r"([A-Za-z!#$%&'*+.^_`|~0-9-]+) ([!-~\x80-\xff]+) HTTP/1\.([01])")
_FIELD = re.compile(r"([A-Za-z!#$%&'*+.^_`|~0-9-]+):[ \t]*([^\x00\r\n]*?)[ \t]*")
_DIGITS = re.compile(r"[0-9]{1,18}")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)


class BadRequestError(Exception):
    """A request that cannot be served; the connection is closed after saying so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ClientConnection:
    """One client. `keep_alive` tells whether it may send another request after the one just
    read.
    """

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self.keep_alive = True
        self._stopping = stopping
        self._http10 = False
        self._buffer = b""

    def read_request(self) -> Request | None:
        """Return the next request, or None when the client has closed.

        :raises BadRequestError: it makes no sense.
        """
        head = self._read_head()
        if head is None:
            return None
        verb, target, headers = self._parse_head(head)
        return make_request(verb, target, headers, self._read_body(headers))

    def _read_head(self) -> bytes | None:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise BadRequestError(431, "request head is over 64 KiB")
            if not self._fill():
                return None
        head = self._buffer[:end]
        self._buffer = self._buffer[end + 4 :]
        return head

    def _fill(self) -> bool:
        data = self.sock.recv(65536)
        has_data = bool(data)
        # RFC 9112 section 2.2: empty lines before a request are ignored.
        if not self._buffer:
            data = data.lstrip(b"\r\n")
        self._buffer += data
        return has_data

    def _parse_head(self, head: bytes) -> tuple[str, str, dict[str, str]]:
        first, *lines = head.decode("latin-1").split("\r\n")
        request_line = _REQUEST_LINE.fullmatch(first)
        if request_line is None:
            raise BadRequestError(400, "malformed request line")
        headers = parse_fields(lines)
        verb, target, minor = request_line.groups()
        self._http10 = minor == "0"
        if not self._http10 and "host" not in headers:
            raise BadRequestError(400, "Host is missing")
        connection = headers.get("connection", "").lower()
        if self._http10:
            self.keep_alive = "keep-alive" in connection
        else:
            self.keep_alive = "close" not in connection
        return verb, target, headers

    def _read_body(self, headers: dict[str, str]) -> bytes:
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        if coding is not None:
            if length is not None or coding.lower() != "chunked":
                raise BadRequestError(
                    400, "Transfer-Encoding other than chunked, or with Content-Length"
                )
            self._send_continue(headers)
            return self._read_chunks()
        if length is None:
            return b""
        if not _DIGITS.fullmatch(length):
            raise BadRequestError(400, "malformed Content-Length")
        if int(length) > MAX_BODY_BYTES:
            raise BadRequestError(413, "body is over 64 MiB")
        self._send_continue(headers)
        return self._read_exactly(int(length))

    def _send_continue(self, headers: dict[str, str]) -> None:
        """Ask for the body of a client that waits for that (RFC 9110 section 10.1.1)."""
        if headers.get("expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_chunks(self) -> bytes:
        chunks: list[bytes] = []
        total = 0
        while True:
            line = _CHUNK_LINE.fullmatch(self._read_line())
            if line is None:
                raise BadRequestError(400, "malformed chunk size")
            size = int(line[1], 16)
            total += size
            if total > MAX_BODY_BYTES:
                raise BadRequestError(413, "body is over 64 MiB")
            if size == 0:
                break
            chunks.append(self._read_exactly(size))
            if self._read_exactly(2) != b"\r\n":
                raise BadRequestError(400, "chunk is longer than its size")
        while self._read_line():
            pass
        return b"".join(chunks)

    def _read_exactly(self, size: int) -> bytes:
        if len(self._buffer) >= size:
            content = self._buffer[:size]
            self._buffer = self._buffer[size:]
            return content
        parts = [self._buffer]
        missing = size - len(self._buffer)
        self._buffer = b""
        while missing:
            data = self.sock.recv(min(missing, 1 << 20))
            if not data:
                raise ConnectionAbortedError("client left in the middle of a body")
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def _read_line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise BadRequestError(400, "endless line in a chunked body")
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionAbortedError("client left in the middle of a body")
            self._buffer += data
        line = self._buffer[:end]
        self._buffer = self._buffer[end + 2 :]
        return line

    def head(self, reply: Reply, *framing: tuple[str, str], version: str = "HTTP/1.1") -> bytes:
        """Return status line and headers, the blank line included."""
        reason = responses.get(reply.status, "Unknown")
        lines = [f"{version} {reply.status} {reason}", f"Server: {SERVER_NAME}"]
        lines += [f"{name}: {value}" for name, value in (*reply.headers, *framing)]
        if not self.keep_alive:
            lines.append("Connection: close")
        elif self._http10:
            lines.append("Connection: keep-alive")
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    def send(self, reply: Reply, verb: str) -> bool:
        """Write an ordinary answer in one send; return whether the connection stays open."""
        if reply.status in (204, 304):
            self.sock.sendall(self.head(reply))
            return self.keep_alive
        message = self.head(reply, ("Content-Length", str(len(reply.body))))
        if verb != "HEAD":
            message += reply.body
        self.sock.sendall(message)
        return self.keep_alive

    def refuse(self, error: BadRequestError) -> None:
        """Say what is wrong and end the connection."""
        self.keep_alive = False
        self.send(json_reply(error.status, {"error": str(error)}), "GET")
        self.sock.shutdown(socket.SHUT_WR)
        # Unread bytes would turn the close into a reset, which can destroy the answer before the
        # client has seen it: read on a little.
        deadline = time.monotonic() + LINGER_SECONDS
        while self._poll(max(0.0, deadline - time.monotonic())) and self.sock.recv(65536):
            pass

    def _poll(self, seconds: float | None) -> bool:
        poller = select.poll()  # select() itself cannot watch descriptors above 1023
        poller.register(self.sock, select.POLLIN)
        if seconds is None:
            return bool(poller.poll())
        return bool(poller.poll(seconds * 1000))

    def wait(self, seconds: float | None) -> bool:
        """Wait (None: for ever); return True as soon as the client hangs up or the server stops."""
        start = time.monotonic()
        if not self._poll(seconds):
            return self._stopping.is_set()
        if not self.sock.recv(1, socket.MSG_PEEK):
            return True
        # An early next request keeps the socket readable: from here only a stop ends the wait.
        if seconds is not None:
            seconds = max(0.0, seconds - (time.monotonic() - start))
        return self._stopping.wait(seconds)

    def wait_for_bytes(self) -> None:
        self._poll(None)

    def reset(self) -> None:
        """Close with a TCP RST instead of a FIN."""
        with suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def parse_fields(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise BadRequestError(400, "malformed header")
        name = field[1].lower()
        value = field[2]
        if name in headers:
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def make_request(verb: str, target: str, headers: dict[str, str], body: bytes) -> Request:
    """Make a request of an origin-form ("/a?b=c") or absolute-form ("http://h/a?b=c") target."""
    if target.startswith("/"):
        raw_path, _, raw_query = target.partition("?")
    elif target.startswith(("http://", "https://")):
        url = urlsplit(target)
        raw_path = url.path or "/"
        raw_query = url.query
    else:
        raise BadRequestError(400, "malformed request target")
    query = parse_qs(raw_query, keep_blank_values=True)
    return Request(verb, unquote(raw_path), query, headers, body, target)
