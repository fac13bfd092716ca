"""Looks up names in threads of its own: gevent's ten are shared, and any may hang."""

from __future__ import annotations

import _socket
from functools import partial
from typing import Any

from gevent.resolver.thread import Resolver as ThreadResolver
from gevent.threadpool import ThreadPool

from api.threads import capture, unwrap
from gateway.http.connect.resolver import MAX_LOOK_UPS

MAX_OTHER_LOOK_UPS = 8  # of the database, Redis and the log's collector, beside those of services
IDLE_SECONDS = 30  # after which a thread without work ends


class Resolver(ThreadResolver):
    """gevent's, with a pool large enough for every look-up that the gateway lets begin."""

    def __init__(self, hub: Any = None) -> None:
        super().__init__(hub)
        self.pool = ThreadPool(MAX_LOOK_UPS + MAX_OTHER_LOOK_UPS, hub, IDLE_SECONDS)

    def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        look_up = partial(_socket.getaddrinfo, *args, **kwargs)
        return unwrap(self.pool.apply(capture, (look_up,)))

    def _on_fork(self) -> None:
        """Begin anew in a new process; gevent calls it by this name."""
        self.pool._on_fork()
