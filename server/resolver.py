"""Names are looked up in threads of their own: gevent's ten are shared with passwords and files, and any may hang."""

from __future__ import annotations

import _socket
from collections.abc import Callable
from typing import Any

from gevent.resolver.thread import Resolver as ThreadResolver
from gevent.threadpool import ThreadPool

from gateway.http.resolver import MAX_LOOK_UPS

MAX_OTHER_LOOK_UPS = 8  # of the database, Redis and the log's collector, beside those of services
IDLE_SECONDS = 30  # after which a thread without work ends


class Resolver(ThreadResolver):
    """gevent's, with a pool large enough for every look-up that the gateway lets begin."""

    def __init__(self, hub: Any = None) -> None:
        super().__init__(hub)
        self.pool = ThreadPool(MAX_LOOK_UPS + MAX_OTHER_LOOK_UPS, hub, IDLE_SECONDS)

    def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        answer, failure = self.pool.apply(_tried, (_socket.getaddrinfo, args, kwargs))
        try:
            if failure is not None:
                raise failure
            return answer
        finally:
            del failure  # it refers to this frame, which refers to it

    def _on_fork(self) -> None:
        """The name under which gevent calls it in a new process."""
        self.pool._on_fork()


def _tried(
    work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, BaseException | None]:
    """What it answers, or how it fails; gevent prints what leaves a thread of its pool."""
    try:
        return work(*args, **kwargs), None
    except Exception as error:  # noqa: BLE001  # it is raised again where it was asked for
        return None, error
