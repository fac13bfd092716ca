"""The way to Redis: it answers within a bound, or ``StoreAway`` is raised, and it is found again when it is back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from gateway.errors import StoreAway

TIMEOUT = 0.2  # seconds for each wait: to connect, for an answer
AGAIN = 1.0  # seconds between two tries while it is away
CONNECTIONS = 4096  # at most; as many as one worker's requests, so that none ever waits for another's
CHECK = "postern:check"


class RedisLink:
    """A client of one Redis, and whether it is there.

    After a failure nobody waits for it again: a thread of our own asks it until it answers.

    :param url: ``redis://``, ``rediss://`` or ``unix://``; the password in it is never told.
    :param warn: writes a log line, ``warn(event, **fields)``.
    """

    def __init__(self, url: str, warn: Callable[..., Any]) -> None:
        pool = redis.ConnectionPool.from_url(
            url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # with its version 3 every connection begins with a round trip more
            driver_info=None,
            max_connections=CONNECTIONS,
        )
        self.client: Any = redis.Redis(connection_pool=pool)
        self.up = True
        self._warn = warn
        self._lock = threading.Lock()
        self._closing = threading.Event()

    @contextmanager
    def asking(self) -> Iterator[Any]:
        """The client, for one operation.

        :raises StoreAway: it does not answer, now or a moment ago, or it answers an error.
        """
        if not self.up:
            raise StoreAway(retry_after=AGAIN)
        try:
            yield self.client
        except RedisError as error:
            self._lost(error)
            raise StoreAway(retry_after=AGAIN) from error

    def close(self) -> None:
        self._closing.set()
        self.client.connection_pool.disconnect()

    def _lost(self, error: RedisError) -> None:
        with self._lock:
            if not self.up:
                return
            self.up = False
        self._warn("store_away", kind=type(error).__name__, error=str(error))
        threading.Thread(target=self._find, name="postern-redis", daemon=True).start()

    def _find(self) -> None:
        while not self._closing.is_set():
            try:
                self.client.set(CHECK, b"", px=1000)  # one that can only be read is of no use
            except RedisError:
                self._closing.wait(AGAIN)
            else:
                self.up = True
                self._warn("store_back")
                return
