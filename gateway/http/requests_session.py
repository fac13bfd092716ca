"""A ``requests.Session`` whose requests leave by a channel's pools.

Why not ``HTTPAdapter``: its read timeout is per ``recv`` (a body that trickles outlives any
timeout), its errors do not say whether a byte of the request was sent, and it costs several times
as much CPU per call.

Where the line runs: the session finds the pool of a URL among those of the channel's origins; any
other URL raises ``requests.exceptions.InvalidSchema``. A ``PoolAdapter`` turns a
``PreparedRequest`` into the ``HttpRequest`` that the gateway's own calls make, which need no
objects of ``requests``, nor this module.
"""

from __future__ import annotations

from collections.abc import Iterable
from http.client import responses as REASONS  # noqa: N812
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from gateway.catalog.model import Timeout
from gateway.clock import Clock
from gateway.http.pool import ConnectionPool
from gateway.http_messages import HttpRequest, HttpResponse, without_headers

MAX_SECONDS = 600.0  # of an exchange for which no timeout was given
#: Of a ``PreparedRequest``: what is written for each request anyway.
_FRAMING = frozenset({"connection", "content-length", "host", "transfer-encoding"})


def make_session(pools: Iterable[ConnectionPool], clock: Clock) -> Session:
    """Return a session that keeps to the pools' origins and to what it is asked."""
    session = Session()
    session.trust_env = False
    session.adapters.clear()
    for pool in pools:
        session.mount(pool.origin + "/", PoolAdapter(pool, clock))
    return session


class PoolAdapter(BaseAdapter):
    """Sends what ``requests`` has prepared by a pool, which it does not own."""

    def __init__(self, pool: ConnectionPool, clock: Clock) -> None:
        super().__init__()
        self._pool = pool
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
        :raises GatewayError: as ``ConnectionPool.exchange``.
        """
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        body = request.body or b""
        answer = self._pool.exchange(
            HttpRequest(
                request.method or "GET",
                self._pool.origin,
                request.path_url,
                headers=without_headers(request.headers, _FRAMING),
                body=body.encode() if isinstance(body, str) else body,
            ),
            Timeout(connect or MAX_SECONDS, read or MAX_SECONDS),
            self._now() + MAX_SECONDS,
        )
        return _to_requests(request, answer)

    def close(self) -> None:
        """Do nothing: the pool is the channel's."""


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
