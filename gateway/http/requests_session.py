"""A ``requests.Session`` whose requests leave by a channel.

Why not ``HTTPAdapter``: its read timeout is per ``recv`` (a body that trickles outlives any
timeout), its errors do not say whether a byte of the request was sent, and it costs several times
as much CPU per call.

Where the line runs: the session sends to the channel's origins; any other URL raises
``requests.exceptions.InvalidSchema``. A ``ChannelAdapter`` turns a ``PreparedRequest`` into the
``HttpRequest`` that the gateway's own calls make, which need no objects of ``requests``, nor this
module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http.client import responses as REASONS  # noqa: N812
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from gateway.catalog.model import Timeout
from gateway.clock import Clock
from gateway.http_messages import HttpRequest, HttpResponse, without_headers

MAX_SECONDS = 600.0  # of an exchange for which no timeout was given
#: Of a ``PreparedRequest``: what is written for each request anyway.
_FRAMING = frozenset({"connection", "content-length", "host", "transfer-encoding"})


Send = Callable[[HttpRequest, Timeout, float], HttpResponse]


def make_session(origins: Iterable[str], send: Send, clock: Clock) -> Session:
    """Return a session that keeps to these origins and to what it is asked."""
    session = Session()
    session.trust_env = False
    session.adapters.clear()
    for origin in origins:
        session.mount(origin + "/", ChannelAdapter(origin, send, clock))
    return session


class ChannelAdapter(BaseAdapter):
    """Sends what ``requests`` has prepared to one origin, by a channel that it does not own."""

    def __init__(self, origin: str, send: Send, clock: Clock) -> None:
        super().__init__()
        self._origin = origin
        self._send = send
        self._now = clock.now

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        *_: object,
        **__: object,
    ) -> Response:
        """Make one exchange.

        :param request: its body is bytes or text.
        :param stream: the answer is read whole in either case.
        :param timeout: seconds to connect, and from then to the last byte of the answer; a pair, or
            one number for both.
        :raises GatewayError: as ``Channel.send``.
        """
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        body = request.body or b""
        answer = self._send(
            HttpRequest(
                request.method or "GET",
                self._origin,
                request.path_url,
                headers=without_headers(request.headers, _FRAMING),
                body=body.encode() if isinstance(body, str) else body,
            ),
            Timeout(connect or MAX_SECONDS, read or MAX_SECONDS),
            self._now() + MAX_SECONDS,
        )
        return _to_requests(request, answer)

    def close(self) -> None:
        """Do nothing: the pools are the channel's."""


def _to_requests(request: PreparedRequest, answer: HttpResponse) -> Response:
    response = Response()
    response.request = request
    response.url = request.url or ""
    response.status_code = answer.status
    response.reason = REASONS.get(answer.status, "")
    response.headers = CaseInsensitiveDict(answer.headers)
    response.encoding = get_encoding_from_headers(response.headers)
    response._content = answer.body
    return response
