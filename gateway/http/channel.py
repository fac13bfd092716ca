"""The way to one place, or to several that are one service."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.catalog.model import Timeout
from gateway.clock import Clock
from gateway.errors import ConnectTimeout, DeadlineExceeded, ReadTimeout
from gateway.http.pool import ConnectionPool
from gateway.http.response.streaming import ExchangeTimeouts, StreamingResponse
from gateway.http_messages import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from requests import Session


class Channel:
    """The way to one place, behind these pools by origin.

    channel.send(request, timeout, deadline)  # HttpRequest -> HttpResponse
    channel.session.get(url, timeout=5)  # requests.Request -> requests.Response
    """

    def __init__(self, pools: dict[str, ConnectionPool], clock: Clock) -> None:
        self._clock = clock
        self._now = clock.now
        self.pools = pools
        self._by_base_url: dict[str, ConnectionPool] = {}  # those that were asked for

    @cached_property
    def session(self) -> Session:
        """What sends by the same pools, for callers who speak ``requests``."""
        from gateway.http.requests_session import make_session

        return make_session(self.pools.values(), self._clock)

    def send(self, request: HttpRequest, timeout: Timeout, deadline: float) -> HttpResponse:
        """Make one attempt, within its own timeout and the call's deadline.

        :raises DeadlineExceeded: the deadline came first.
        :raises DownstreamError: see ``ConnectionPool.exchange``.
        """
        if deadline <= self._now():
            raise DeadlineExceeded
        pool = self._by_base_url.get(request.base_url) or self._pool(request.base_url)
        try:
            return pool.exchange(request, timeout, deadline)
        except (ConnectTimeout, ReadTimeout) as error:
            if self._now() >= deadline:
                raise DeadlineExceeded from error
            raise

    def open(self, request: HttpRequest, timeouts: ExchangeTimeouts) -> StreamingResponse:
        """Make one attempt up to the first byte of the answer's body; the rest comes as it is read.

        :raises GatewayError: as ``send``; a ``CallerError`` where the upload raises it or the
            caller has gone.
        """
        if timeouts.deadline <= self._now():
            raise DeadlineExceeded
        pool = self._by_base_url.get(request.base_url) or self._pool(request.base_url)
        try:
            return pool.open(request, timeouts)
        except (ConnectTimeout, ReadTimeout) as error:
            if self._now() >= timeouts.deadline:
                raise DeadlineExceeded from error
            raise

    def rotation(self, urls: tuple[str, ...]) -> Callable[[], str]:
        """Return what answers the base URL of the next request: these in turn."""
        return itertools.cycle(urls).__next__  # atomic

    def close(self) -> None:
        for pool in list(self.pools.values()):
            pool.close()

    def _pool(self, base_url: str) -> ConnectionPool:
        pool = self.pools[origin_of(base_url)]
        self._by_base_url[base_url] = pool
        return pool


def origin_of(url: str) -> str:
    """Return scheme, host and port, as they are written."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
