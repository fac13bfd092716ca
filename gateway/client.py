"""The requests-based client: one tuned session for each service, and the only way out.

A session here has ``trust_env=False`` (no ``.netrc``, no proxy variables), follows no redirect, keeps no cookie, and
has an adapter for the declared origins only: any other URL raises ``requests.exceptions.InvalidSchema``.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from urllib.parse import urlsplit

from certifi import where
from requests import PreparedRequest, Response, Session
from requests.structures import CaseInsensitiveDict

from gateway.call import HttpRequest, HttpResponse
from gateway.catalog import Service, Timeout, Tls
from gateway.clock import Clock
from gateway.errors import ConnectTimeout, DeadlineExceeded, ReadTimeout
from gateway.transport import PooledAdapter

IDLE = 50  # connections a service's pool keeps unless its ``concurrency`` says otherwise
_NO_PROXIES: dict[str, str] = {}


class _PlainSession(Session):
    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.adapters.clear()

    def get_redirect_target(self, resp: Response) -> None:
        """None, always: a redirect is an answer like any other."""


class Channel:
    """The session of one service."""

    def __init__(self, service: Service, tls: ssl.SSLContext | None, clock: Clock) -> None:
        self._session = _PlainSession()
        self._clock = clock
        for url in service.urls:
            origin = _origin(url)
            adapter = PooledAdapter(origin, tls, service.max_response, service.concurrency or IDLE, clock)
            self._session.mount(origin + "/", adapter)

    def send(self, request: HttpRequest, timeout: Timeout, deadline: float) -> HttpResponse:
        """One attempt, within its own timeout and the call's deadline.

        :raises DeadlineExceeded: the deadline came first.
        :raises DownstreamError: see ``gateway.transport``.
        """
        left = deadline - self._clock.now()
        if left <= 0:
            raise DeadlineExceeded
        prepared = PreparedRequest()
        prepared.method, prepared.url, prepared.body = request.verb, request.url, request.body
        prepared.headers = CaseInsensitiveDict(request.headers)
        try:
            response = self._session.send(
                prepared,
                timeout=(timeout.connect, timeout.read, left),  # type: ignore[arg-type]  # our adapter takes three
                allow_redirects=False,
                stream=True,  # the adapter has read the body already
                proxies=_NO_PROXIES,
            )
        except (ConnectTimeout, ReadTimeout) as error:
            if self._clock.now() >= deadline:
                raise DeadlineExceeded from error
            raise
        return HttpResponse(response.status_code, response.headers, response.content)

    def close(self) -> None:
        self._session.close()


class Client:
    """Channels by service, kept over reloads as long as what they are made of stays the same."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._channels: dict[tuple[object, ...], Channel] = {}
        self._contexts: dict[Tls, ssl.SSLContext] = {}

    def channel(self, service: Service) -> Channel:
        key = _key(service)
        if key not in self._channels:
            self._channels[key] = Channel(service, self._context(service), self._clock)
        return self._channels[key]

    def retain(self, services: Iterable[Service]) -> None:
        """Close what no service uses any more; calls in flight finish on their connections."""
        wanted = {_key(service) for service in services}
        for key in self._channels.keys() - wanted:
            self._channels.pop(key).close()

    def _context(self, service: Service) -> ssl.SSLContext | None:
        if not any(url.startswith("https") for url in service.urls):
            return None
        if service.tls not in self._contexts:
            context = ssl.create_default_context(cafile=service.tls.ca or where())
            if service.tls.cert:
                context.load_cert_chain(service.tls.cert, service.tls.key)
            self._contexts[service.tls] = context
        return self._contexts[service.tls]


def _key(service: Service) -> tuple[object, ...]:
    return service.name, service.urls, service.tls, service.max_response, service.concurrency


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
