"""The way to Redis: it answers in time or raises ``StoreUnavailable``, and is found again when it is back."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import RedisError
from redis.retry import Retry

from gateway.errors import StoreUnavailable

PREFIX = "postern:"  # of every key
TIMEOUT = 0.2  # seconds for one operation, connecting included
TOTAL = 0.25  # seconds for all operations of one request; once they are gone, each has ...
LEAST = 0.02  # ... seconds left, and so has every single wait
LATE = 0.05  # seconds after its time from which a timeout speaks of this process and not of Redis
FOUND = 0.1  # seconds within which one that was away must answer to be there again
AGAIN = 1.0  # seconds between two tries while it is away
CONNECTIONS = 32  # in one process; who finds none free waits for us, which counts for nothing, and not for Redis
CHECK = f"{PREFIX}check"

_ADDRESS = re.compile(r"[0-9.]+|.*:.*")
_mine = threading.local()  # deadline: of this thread's operation; spent: seconds, by its request


class RedisLink:
    """A client of one Redis, and whether it is there.

    After a failure no request waits for it: a thread of our own asks it until it answers.

    :param url: ``redis://``, ``rediss://`` or ``unix://``; the password in it is never told.
    :param warn: writes a log line, ``warn(event, **fields)``.
    """

    def __init__(self, url: str, warn: Callable[..., Any]) -> None:
        pool = redis.ConnectionPool.from_url(
            url,
            connection_class=_CLASSES[url.partition(":")[0]],
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # with its version 3 every connection begins with a round trip more
            driver_info=None,
        )
        self.client: Any = redis.Redis(connection_pool=pool)
        self._places = threading.Semaphore(CONNECTIONS)
        self.up = True
        self._warn = warn
        self._returned: list[Callable[[], None]] = []
        self._finder: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def begin(self) -> None:
        """A request begins in this thread: it has not waited yet."""
        _mine.spent = 0.0

    def on_return(self, then: Callable[[], None]) -> None:
        """Have this done whenever Redis is back: before anybody else may ask it, and once more right after."""
        self._returned.append(then)

    @contextmanager
    def asking(self) -> Iterator[Any]:
        """The client, for one operation.

        :raises StoreUnavailable: it does not answer, now or a moment ago, or it answers an error.
        """
        if threading.current_thread() is self._finder:
            with self._asked() as client:
                yield client
            return
        with self._places:  # were Redis lost meanwhile, all who wait here are let go at once
            if not self.up:
                raise StoreUnavailable(retry_after=AGAIN)
            with self._asked() as client:
                yield client

    @contextmanager
    def _asked(self) -> Iterator[Any]:
        spent = getattr(_mine, "spent", None)
        began = time.monotonic()
        _mine.deadline = began + max(LEAST, min(TIMEOUT, TOTAL - (spent or 0.0)))
        try:
            yield self.client
        except RedisError as error:
            self._lost(error)
            raise StoreUnavailable(retry_after=AGAIN) from error
        finally:
            if spent is not None:
                _mine.spent = spent + time.monotonic() - began

    def close(self) -> None:
        self._closing.set()
        self.client.connection_pool.disconnect(inuse_connections=False)

    def _lost(self, error: RedisError) -> None:
        with self._lock:
            if not self.up or self._closing.is_set():
                return
            self.up = False
            self._finder = threading.Thread(target=self._find, name="postern-redis", daemon=True)
            self._finder.start()
        self._warn("store_away", kind=type(error).__name__, error=str(error))

    def _find(self) -> None:
        while not self._is_back():
            if self._closing.wait(AGAIN):
                return
        self.up = True
        self._warn("store_back")
        self._is_back()  # for what came in between

    def _is_back(self) -> bool:
        try:
            with self.asking() as client:
                _mine.deadline = time.monotonic() + AGAIN
                client.ping()  # it connects, which may take its time here
                _mine.deadline = time.monotonic() + FOUND
                client.set(CHECK, b"", px=1000)  # one that can only be read is of no use
            for then in self._returned:
                then()
        except StoreUnavailable:
            return False
        except Exception as error:  # noqa: BLE001 # whatever it is, the search must not end
            self._warn("store_search", kind=type(error).__name__, error=str(error))
            return False
        return True


class _Bounded:
    """A connection of redis-py that ends every wait with the operation's deadline.

    In a busy process time may be up before anybody has looked whether the answer is there: then it is looked for. And
    where this process got no turn for that long, Redis, beside it, may have had none either: then it is waited again.
    """

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            try:
                return self._read(args, options, _left())
            except redis.TimeoutError:
                if not (_late() or self.can_read(0)):  # type: ignore[attr-defined]
                    raise
                return self._read(args, options, TIMEOUT)
        except (RedisError, OSError):
            self.disconnect()  # type: ignore[attr-defined]
            raise

    def _read(self, args: Any, options: Any, seconds: float) -> Any:
        kept = {**options, "timeout": seconds, "disconnect_on_error": False}
        return super().read_response(*args, **kept)  # type: ignore[misc]


class _Plain(_Bounded, Connection):
    def _connect(self) -> socket.socket:
        """To a name in a thread, because neither its look-up nor a second address would keep to the time."""
        if not _ADDRESS.fullmatch(self.host):
            return _within(super()._connect)
        sock = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_left())
            with suppress(TimeoutError):
                sock.connect((self.host, int(self.port)))
            sock.getpeername()  # the last word on whether it is connected
            sock.settimeout(self.socket_timeout)
        except BaseException:
            sock.close()
            raise
        return sock


class _Tls(_Bounded, SSLConnection):
    def _connect(self) -> socket.socket:
        return _within(super()._connect)


class _Unix(_Bounded, UnixDomainSocketConnection): ...


_CLASSES = {"redis": _Plain, "rediss": _Tls, "unix": _Unix}


def _late() -> bool:
    """Whether this thread's operation ended its wait long after its deadline."""
    return time.monotonic() > float(_mine.deadline) + LATE


def _left() -> float:
    """Seconds until the deadline of this thread's operation."""
    return max(
        LEAST, float(getattr(_mine, "deadline", time.monotonic() + TIMEOUT)) - time.monotonic()
    )


def _within(connect: Callable[[], socket.socket]) -> socket.socket:
    """:raises TimeoutError: it took too long; the connection is closed should it still come about."""
    done: Future[socket.socket] = Future()

    def run() -> None:
        try:
            made = connect()
        except Exception as error:  # noqa: BLE001 # whoever still waits is told
            if done.set_running_or_notify_cancel():
                done.set_exception(error)
            return
        if done.set_running_or_notify_cancel():
            done.set_result(made)
        else:
            made.close()

    threading.Thread(target=run, name="postern-redis-connect", daemon=True).start()
    try:
        return done.result(_left())
    except TimeoutError:
        if done.cancel():
            raise
        return done.result()
