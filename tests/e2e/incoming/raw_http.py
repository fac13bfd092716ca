"""Bytes to a server as they stand, and its answers one by one."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 30
PROBE = b"GET /healthz HTTP/1.1\r\nHost: h\r\nX-Request-ID: probe\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """:ivar headers: names in lower case; of several lines of one name the last."""

    version: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> int | None:
        """The envelope's; none in an answer that has no envelope."""
        with suppress(ValueError):
            told: Any = json.loads(self.body)
            if isinstance(told, dict) and "request_id" in told:
                return int(told["code"])
        return None


class Dialogue:
    """One connection, whose answers are read in order."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._stream = self._sock.makefile("rb")

    def __enter__(self) -> Dialogue:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stream.close()
        self._sock.close()

    def send(self, data: bytes) -> None:
        with suppress(ConnectionError):  # it may have ended the connection before it read all
            self._sock.sendall(data)

    def end(self) -> None:
        """Tell that nothing more comes."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def answer(self, *, head: bool = False) -> Answer | None:
        """Return the next answer; none once the server ended the connection.

        :param head: it is the answer to a HEAD.
        """
        try:
            line = self._stream.readline()
            if not line:
                return None
            version, status, *_ = line.decode("latin-1").split(" ", 2)
            headers = {}
            while header := self._stream.readline().strip():
                name, _, value = header.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            body = b"" if head or status in ("100", "204", "304") else self._body(headers)
        except ConnectionError:
            return None
        return Answer(version, int(status), headers, body)

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            pieces = []
            while size := int(self._stream.readline(), 16):
                pieces.append(self._stream.read(size))
                self._stream.readline()
            self._stream.readline()
            return b"".join(pieces)
        if "content-length" in headers:
            return self._stream.read(int(headers["content-length"]))
        return self._stream.read()

    def is_kept(self) -> bool:
        """Whether the server answers one more request on this connection."""
        self.send(PROBE)
        answer = self.answer()
        return answer is not None and answer.headers.get("x-request-id") == "probe"
