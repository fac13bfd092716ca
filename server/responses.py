"""How gunicorn writes an answer: head and body in one send; ``Server`` and ``Date`` as the application says them."""

from __future__ import annotations

from typing import Any

from gunicorn.http.wsgi import Response

OWN_HEADERS = {
    "server",
    "date",
}  # gunicorn sets them itself and drops any other; a proxied answer has the vendor's


class _Buffer:
    """Stands in for a socket while a response writes its head and the first of its body."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def sendall(self, piece: bytes) -> None:
        self.pieces.append(piece)


_write = Response.write
_process_headers = Response.process_headers
_default_headers = Response.default_headers


def _write_once(response: Any, piece: bytes) -> None:
    """Send head and body in one system call, one packet and one wake-up of the caller, where gunicorn takes two."""
    if response.headers_sent:
        _write(response, piece)
        return
    sock = response.sock
    buffer = response.sock = _Buffer()
    try:
        _write(response, piece)
        sock.sendall(b"".join(buffer.pieces))
    finally:
        response.sock = sock


def _keep_own_headers(response: Any, headers: list[tuple[str, str]]) -> None:
    """gunicorn drops these, and ``Connection``, by which the application may end the connection."""
    _process_headers(response, headers)
    if ("Connection", "close") in headers:
        response.force_close()
    response.headers += [(name, value) for name, value in headers if name.lower() in OWN_HEADERS]


def _default_headers_less_own(response: Any) -> list[str]:
    if response.req.ends_connection():
        response.force_close()
    own = {name.lower() for name, _ in response.headers} & OWN_HEADERS
    return [
        line for line in _default_headers(response) if line.partition(":")[0].lower() not in own
    ]


def install() -> None:
    """Replace three methods of gunicorn's ``Response``, which no setting lets a worker class choose."""
    Response.write = _write_once
    Response.process_headers = _keep_own_headers
    Response.default_headers = _default_headers_less_own
