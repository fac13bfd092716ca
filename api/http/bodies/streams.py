"""Streamed bodies: the caller's as a ``RequestStream``, the service's as a response."""

from __future__ import annotations

import errno
import socket
import ssl
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Response, after_this_request, request
from werkzeug.datastructures import Headers

from api.context import app_state
from api.errors import MalformedBody, TooLarge
from api.http.bodies import check_declared_hash, iter_body, read_body
from api.http.responses import status_line
from api.request_context import current_context
from gateway.errors import GatewayError
from gateway.streams import MAX_RESENDABLE_BYTES, PassthroughRequest, RequestStream, ResponseStream

#: That a caller may neither send nor take anything of a body that is passed through.
IDLE_SECONDS = 60.0
CONDITIONAL_HEADERS = (
    "Range",
    "If-Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
)


class StreamResponse(Response):
    """A response that goes out as it is: nobody measures, compresses or corrects it.

    :param reason: in the status line; None for the usual one.
    :ivar untouched: the headers are the service's own.
    """

    untouched = False

    def __init__(
        self,
        body: Iterable[bytes],
        status: int,
        reason: str | None,
        headers: Iterable[tuple[str, str]],
    ) -> None:
        # What Flask's own makes of these arguments, without its look at others.
        self.headers = Headers()
        self.headers._list = list(headers)
        self.response: Iterable[bytes] = body
        self.direct_passthrough = True
        self._status = status_line(status) if reason is None else f"{status} {reason}"
        self._status_code = status
        self._on_close = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(self._status, self.headers._list)
        return self.response


def read_passthrough_request(*, with_body: bool) -> PassthroughRequest:
    """Return what goes to the service: conditions, ranges, and a streamed body."""
    headers = tuple(
        (name, request.headers[name]) for name in CONDITIONAL_HEADERS if name in request.headers
    )
    if with_body and request.content_type:
        headers = (*headers, ("Content-Type", request.content_type))
    body = None
    if with_body:
        body = open_request_stream()
    return PassthroughRequest(headers, body, caller_socket(request.environ))


def open_request_stream() -> RequestStream | None:
    """Return the body, if any: up to ``MAX_UPLOAD``, or ``MAX_BODY`` where it must be read whole.

    :raises TooLarge: its declared length is larger.
    :raises MalformedBody: it is compressed for this hop only.
    """
    incoming = current_context().request
    environ = incoming.environ
    transfer_coding = environ.get("HTTP_TRANSFER_ENCODING")
    if transfer_coding is None and not environ.get("CONTENT_LENGTH"):
        if "HTTP_X_CONTENT_SHA256" in environ:
            check_declared_hash()
        return None
    if transfer_coding is not None and transfer_coding.lower() != "chunked":
        # Another would be lost on the way.
        raise MalformedBody(
            "Of transfer codings only chunked is taken; send the body in that, or its length."
        )
    length = incoming.content_length
    is_chunked = environ.get("wsgi.input_terminated", False)
    max_bytes = app_state().settings.max_upload
    if length and length > max_bytes:
        raise TooLarge.over(max_bytes)
    if not length and not (is_chunked and transfer_coding is not None):
        check_declared_hash()
        return None
    _limit_idle_time(environ)
    if length and length <= MAX_RESENDABLE_BYTES:
        read_body()  # before it takes a place at the service, which a slow caller would hold
    return RequestStream(iter_body(max_bytes), _read_whole, length)


def _read_whole() -> bytes:
    try:
        check_declared_hash()
        return read_body()
    except TooLarge as error:
        raise TooLarge.to_sign() from error


def stream_response(stream: ResponseStream, headers: Iterable[tuple[str, str]]) -> StreamResponse:
    """Return the service's response, by pieces; cut the connection where it breaks off."""
    environ = current_context().request.environ
    body: Iterable[bytes] = ()
    if environ["REQUEST_METHOD"] == "HEAD" or stream.status in (204, 304):
        next(stream, None)  # where that is the end, nobody has hung up
        stream.close()
    elif stream.body is not None:
        body = (stream.body,)
    else:
        _limit_idle_time(environ)
        body = _Body(stream, _socket(environ), environ.get("SERVER_PROTOCOL") == "HTTP/1.0")
    return StreamResponse(body, stream.status, stream.reason, headers)


def caller_socket(environ: Mapping[str, Any]) -> CallerSocket | None:
    """Return the caller's socket, to see the caller go; None if the server does not show it."""
    sock = _socket(environ)
    if sock is None or isinstance(sock, ssl.SSLSocket):
        return None
    return CallerSocket(sock)


class CallerSocket:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def fileno(self) -> int:
        return self._sock.fileno()

    def gone(self) -> bool:
        try:
            return not self._sock.recv(1, socket.MSG_PEEK)
        except OSError:
            return True


class _Body:
    """The body that the server iterates over.

    :param reset: reset the connection: an end alone would not show that something is missing.
    """

    def __init__(self, stream: ResponseStream, sock: socket.socket | None, reset: bool) -> None:
        self._stream = stream
        self._sock = sock
        self._reset = reset

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._stream)
        except GatewayError as error:
            if self._reset and self._sock:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # On this error servers end the connection silently.
            raise OSError(errno.EPIPE, "the service broke off") from error

    def close(self) -> None:
        self._stream.close()
        if self._sock:
            with suppress(OSError):  # it is closed already
                self._sock.settimeout(None)


def _socket(environ: Mapping[str, Any]) -> socket.socket | None:
    return environ.get("gunicorn.socket")


def _limit_idle_time(environ: Mapping[str, Any]) -> None:
    """Bound how long a caller may stop reading or sending, for it holds a service's connection."""
    sock = _socket(environ)
    if sock:
        sock.settimeout(IDLE_SECONDS)
        after_this_request(partial(_lift_idle_limit, sock))


def _lift_idle_limit(sock: socket.socket, response: Response) -> Response:
    """Lift the limit; while a body is still to be passed on, its end lifts it."""
    if not (isinstance(response, StreamResponse) and isinstance(response.response, _Body)):
        sock.settimeout(None)
    return response
