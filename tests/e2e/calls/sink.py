"""A server that reads bodies without keeping them."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from tests.ports import free_port

PIECE = 65536  # bytes


class Sink:
    """Tells how long a body was and its SHA-256; ``whole`` has those that came to their end, ``broken`` counts others."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", free_port()))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.whole: list[str] = []
        self.broken = 0
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() does not
        self._acceptor.join(30)  # or it accepts at whatever gets the descriptor next
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as file:
            while file.readline().strip():
                size, digest = 0, hashlib.sha256()
                try:
                    for piece in _body(file):
                        size += len(piece)
                        digest.update(piece)
                except EOFError:
                    self.broken += 1
                    return
                self.whole.append(digest.hexdigest())
                body = json.dumps({"size": size, "sha256": digest.hexdigest()}).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                sock.sendall(head.encode() + body)


def _body(file: BinaryIO) -> Iterator[bytes]:
    """:raises EOFError: it is cut short."""
    headers = http.client.parse_headers(file)
    if "Content-Length" in headers:
        yield from _exactly(file, int(headers["Content-Length"]))
        return
    while True:
        length = int(file.readline() or b"-1", 16)
        yield from _exactly(file, length)
        if file.readline() != b"\r\n":
            raise EOFError
        if not length:
            return


def _exactly(file: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0:
        piece = file.read(min(PIECE, length))
        if not piece:
            raise EOFError
        length -= len(piece)
        yield piece
