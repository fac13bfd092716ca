"""The way to a service whose instances a registry knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from gateway.catalog.model import Timeout
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.http.channel import Channel, ConnectionPool, origin_of
from gateway.http.discovered.instances import Instances
from gateway.http.response.streaming import ExchangeTimeouts, StreamingResponse
from gateway.http_messages import HttpRequest, HttpResponse


class DiscoveredChannel(Channel):
    """Sends to the instance that a request was built for.

    One that was built for the name, such as a request for a token, goes to one picked now.

    :param urls: the name, as the catalog has it, and the URLs of single places beside it.
    :param make_pool: makes the pool of an origin.
    """

    def __init__(
        self,
        urls: tuple[str, ...],
        instances: Instances,
        make_pool: Callable[[str], ConnectionPool],
        clock: Clock,
    ) -> None:
        super().__init__({}, clock)
        self._base_url, *self._fixed_urls = urls
        self._make_pool = make_pool
        self.instances = instances

    def rotation(self, urls: tuple[str, ...]) -> Callable[[], str]:
        if urls == (self._base_url,):
            return self.instances.pick
        return super().rotation(urls)

    def send(self, request: HttpRequest, timeout: Timeout, deadline: float) -> HttpResponse:
        request = self._at_instance(request)
        instance = self.instances.begin(request.base_url)
        send = super().send
        if instance is None:
            return send(request, timeout, deadline)
        try:
            response = send(request, timeout, deadline)
        except GatewayError as error:
            self.instances.judge(instance, error)
            raise
        finally:
            self.instances.end(instance)
        self.instances.judge(instance, None, response.status)
        return response

    def open(self, request: HttpRequest, timeouts: ExchangeTimeouts) -> StreamingResponse:
        request = self._at_instance(request)
        instance = self.instances.begin(request.base_url)
        if instance is None:
            return super().open(request, timeouts)
        try:
            response = super().open(request, timeouts)
        except BaseException as error:
            self.instances.end(instance)
            if isinstance(error, GatewayError):
                self.instances.judge(instance, error)
            raise
        self.instances.judge(instance, None, response.status)
        response.on_end = partial(self.instances.end, instance)
        return response

    def _at_instance(self, request: HttpRequest) -> HttpRequest:
        if request.base_url != self._base_url:
            return request
        return replace(request, base_url=self.instances.pick())

    def _pool(self, base_url: str) -> ConnectionPool:
        origin = origin_of(base_url)
        pool = self.pools.get(origin)
        if pool is None:
            self._drop_unlisted()
            pool = self.pools.setdefault(origin, self._make_pool(origin))
        self._by_base_url[base_url] = pool
        return pool

    def _drop_unlisted(self) -> None:
        """Close the pools of instances that the registry knows no more."""
        used = {origin_of(url) for url in (*self.instances.urls, *self._fixed_urls)}
        for origin in list(self.pools.keys() - used):
            pool = self.pools.pop(origin, None)
            if pool:
                pool.close()
        for url in [url for url in list(self._by_base_url) if origin_of(url) not in used]:
            self._by_base_url.pop(url, None)
