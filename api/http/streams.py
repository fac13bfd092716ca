"""Bodies that pass through while they come: the caller's as an ``RequestStream``, the service's as a response."""

from __future__ import annotations

import errno
import socket
import ssl
import struct
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Response, after_this_request, request
from werkzeug.datastructures import Headers

from api.context import app_state
from api.errors import MalformedBody, TooLarge
from api.http.body import check_declared_hash, iter_body, read_body
from gateway.errors import GatewayError
from gateway.streams import MAX_RESENDABLE_BYTES, PassthroughRequest, RequestStream, ResponseStream

IDLE_SECONDS = 60.0  # seconds that a caller may neither send nor take anything of a body that is passed through
CONDITIONAL_HEADERS = (
    "Range",
    "If-Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
)


class StreamResponse(Response):
    """Goes out as it is: nobody measures, compresses or corrects it.

    :ivar untouched: its headers are the service's own.
    """

    untouched = False
    automatically_set_content_length = False

    def get_wsgi_headers(self, environ: Any) -> Headers:
        return self.headers


def read_passthrough_request(*, with_body: bool) -> PassthroughRequest:
    """What of this request goes on to the service: conditions and ranges, and the body, if the method streams it."""
    headers = tuple(
        (name, request.headers[name]) for name in CONDITIONAL_HEADERS if name in request.headers
    )
    if with_body and request.content_type:
        headers = (*headers, ("Content-Type", request.content_type))
    return PassthroughRequest(
        headers, open_request_stream() if with_body else None, caller_socket()
    )


def open_request_stream() -> RequestStream | None:
    """The body, if there is one: it is bounded by ``MAX_UPLOAD``, or by ``MAX_BODY`` where it must be read whole.

    :raises TooLarge: it says that it is larger.
    :raises MalformedBody: it is compressed for this hop only.
    """
    if request.headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
        raise MalformedBody(
            "Of transfer codings only chunked is taken."
        )  # another would be lost on the way
    length, chunked = request.content_length, request.environ.get("wsgi.input_terminated", False)
    most = app_state().settings.max_upload
    if length and length > most:
        raise TooLarge.over(most)
    if not length and not (chunked and "Transfer-Encoding" in request.headers):
        check_declared_hash()
        return None
    _patience()
    if length and length <= MAX_RESENDABLE_BYTES:
        read_body()  # before it takes a place at the service, which a caller that is slow would keep from others
    return RequestStream(iter_body(most), _whole, length)


def _whole() -> bytes:
    check_declared_hash()
    return read_body()


def stream_response(stream: ResponseStream, headers: Iterable[tuple[str, str]]) -> StreamResponse:
    """The service's answer, passed on piece by piece; the connection is cut where it breaks off."""
    if request.method == "HEAD" or stream.status in (204, 304):
        next(stream, None)  # where that is the end, nobody has hung up
        stream.close()
        response = StreamResponse(status=stream.status)
    else:
        _patience()
        body = _Body(stream, _socket(), request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0")
        response = StreamResponse(body, stream.status, direct_passthrough=True)
    if stream.reason is not None:
        response._status = f"{stream.status} {stream.reason}"  # its setter takes none without words
    response.headers = Headers(list(headers))  # afterwards, or werkzeug would add a content type
    return response


def caller_socket() -> CallersSocket | None:
    """For the gateway, to see the caller go; None where the server does not show its socket."""
    sock = _socket()
    return None if sock is None or isinstance(sock, ssl.SSLSocket) else CallersSocket(sock)


class CallersSocket:
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
    """What the server iterates over.

    :param cut: an end alone would not tell the caller that something is missing, so the connection is reset.
    """

    def __init__(self, stream: ResponseStream, sock: socket.socket | None, cut: bool) -> None:
        self._stream, self._sock, self._cut = stream, sock, cut

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._stream)
        except GatewayError as error:
            if self._cut and self._sock:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise OSError(
                errno.EPIPE, "the service broke off"
            ) from error  # servers end the connection silently

    def close(self) -> None:
        self._stream.close()
        if self._sock:
            with suppress(OSError):  # it is closed already
                self._sock.settimeout(None)


def _socket() -> socket.socket | None:
    sock: socket.socket | None = request.environ.get("gunicorn.socket")
    return sock


def _patience() -> None:
    """A caller that stops reading or sending holds a service's connection, so it may not do that for long."""
    sock = _socket()
    if sock:
        sock.settimeout(IDLE_SECONDS)
        after_this_request(partial(_patient_again, sock))


def _patient_again(sock: socket.socket, response: Response) -> Response:
    """Unless the body of the answer is still to be passed on; that does it at its end."""
    if not (isinstance(response, StreamResponse) and response.direct_passthrough):
        sock.settimeout(None)
    return response
