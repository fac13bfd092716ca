"""The way to Redis: it answers in time or is unavailable, and is found when it is back."""

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
CHECK_KEY = f"{PREFIX}check"

OPERATION_SECONDS = 0.2  # for one operation, connecting included
REQUEST_SECONDS = 0.25  # for all operations of one request
MIN_WAIT_SECONDS = 0.02  # of every wait, and of every operation once the request's time is spent
#: So long after its deadline a timeout speaks of this process, which got no turn, and not of Redis.
OVERTIME_SECONDS = 0.05
CHECK_SECONDS = 0.1  # within which a Redis that was away must answer to be used again
RETRY_SECONDS = 1.0  # between two checks while it is away
#: In one process. A thread that finds none free waits for this process, which does not count
#: against Redis.
MAX_CONNECTIONS = 32

_ADDRESS = re.compile(r"[0-9.]+|.*:.*")


class _ThreadTimes(threading.local):
    deadline: float | None = None  # the instant at which this thread's operation must end
    used_seconds: float | None = None  # of its request's time for Redis; None outside of requests


_times = _ThreadTimes()


class RedisLink:
    """A client of one Redis, and whether it is there.

    After a failure no request waits for it: a thread of our own asks it until it answers.

    :param url: ``redis://``, ``rediss://`` or ``unix://``; the password in it is never logged.
    :param warn: writes a log line, ``warn(event, **fields)``.
    """

    def __init__(self, url: str, warn: Callable[..., Any]) -> None:
        pool = redis.ConnectionPool.from_url(
            url,
            connection_class=_CONNECTIONS[url.partition(":")[0]],
            socket_timeout=OPERATION_SECONDS,
            socket_connect_timeout=OPERATION_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # with its version 3 every connection begins with a round trip more
            driver_info=None,
        )
        self.client: Any = redis.Redis(connection_pool=pool)
        self.up = True
        self._connections = threading.Semaphore(MAX_CONNECTIONS)
        self._warn = warn
        self._on_return: list[Callable[[], None]] = []
        self._search: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def begin_request(self) -> None:
        """Grant this thread the time that one request has for Redis."""
        _times.used_seconds = 0.0

    def on_return(self, callback: Callable[[], None]) -> None:
        """Call it whenever Redis is back: before anybody else may use it, and right after."""
        self._on_return.append(callback)

    @contextmanager
    def operation(self) -> Iterator[Any]:
        """Yield the client, for one operation.

        :raises StoreUnavailable: it does not answer, now or a moment ago, or it answers an error.
        """
        if threading.current_thread() is self._search:
            with self._timed() as client:
                yield client
            return
        with self._connections:  # were Redis lost meanwhile, all who wait here go on at once
            if not self.up:
                raise StoreUnavailable(retry_after=RETRY_SECONDS)
            with self._timed() as client:
                yield client

    @contextmanager
    def _timed(self) -> Iterator[Any]:
        began = time.monotonic()
        used_seconds = _times.used_seconds
        seconds = min(OPERATION_SECONDS, REQUEST_SECONDS - (used_seconds or 0.0))
        _times.deadline = began + max(MIN_WAIT_SECONDS, seconds)
        try:
            yield self.client
        except RedisError as error:
            self._lose(error)
            raise StoreUnavailable(retry_after=RETRY_SECONDS) from error
        finally:
            if used_seconds is not None:
                _times.used_seconds = used_seconds + time.monotonic() - began

    def close(self) -> None:
        self._closing.set()
        self.client.connection_pool.disconnect(inuse_connections=False)

    def _lose(self, error: RedisError) -> None:
        """Let nobody wait for Redis from now on, and search for it."""
        with self._lock:
            if not self.up or self._closing.is_set():
                return
            self.up = False
            self._search = threading.Thread(
                target=self._search_for_it, name="postern-redis", daemon=True
            )
            self._search.start()
        self._warn("store_away", kind=type(error).__name__, error=str(error))

    def _search_for_it(self) -> None:
        while not self._is_back():
            if self._closing.wait(RETRY_SECONDS):
                return
        self.up = True
        self._warn("store_back")
        self._is_back()  # for what came in between

    def _is_back(self) -> bool:
        try:
            with self.operation() as client:
                _times.deadline = time.monotonic() + RETRY_SECONDS
                client.ping()  # it connects, which may take its time here
                _times.deadline = time.monotonic() + CHECK_SECONDS
                client.set(CHECK_KEY, b"", px=1000)  # a Redis that can only be read is of no use
            for callback in self._on_return:
                callback()
        except StoreUnavailable:
            return False
        except Exception as error:  # noqa: BLE001 # whatever it is, the search must not end
            self._warn("store_search", kind=type(error).__name__, error=str(error))
            return False
        return True


class _Bounded:
    """A connection of redis-py that ends every wait with the operation's deadline.

    In a busy process time may be up before anybody has looked for the answer: then that is done.
    And where this process got no turn, Redis, beside it, may have had none: it waits once more.
    """

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            try:
                return self._read(args, options, _seconds_left())
            except redis.TimeoutError:
                if not (_is_past_deadline() or self.can_read(0)):  # type: ignore[attr-defined]
                    raise
                return self._read(args, options, OPERATION_SECONDS)
        except (RedisError, OSError):
            self.disconnect()  # type: ignore[attr-defined]
            raise

    def _read(self, args: Any, options: Any, seconds: float) -> Any:
        options = {**options, "timeout": seconds, "disconnect_on_error": False}
        return super().read_response(*args, **options)  # type: ignore[misc]


class _PlainConnection(_Bounded, Connection):
    def _connect(self) -> socket.socket:
        """Connect; to a name in a thread, because its look-up would not keep to the time."""
        if not _ADDRESS.fullmatch(self.host):
            return _connect_in_thread(super()._connect)
        sock = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_seconds_left())
            with suppress(TimeoutError):
                sock.connect((self.host, int(self.port)))
            sock.getpeername()  # raises unless it is connected
            sock.settimeout(self.socket_timeout)
        except BaseException:
            sock.close()
            raise
        return sock


class _TlsConnection(_Bounded, SSLConnection):
    def _connect(self) -> socket.socket:
        return _connect_in_thread(super()._connect)


class _UnixConnection(_Bounded, UnixDomainSocketConnection): ...


_CONNECTIONS = {"redis": _PlainConnection, "rediss": _TlsConnection, "unix": _UnixConnection}


def _is_past_deadline() -> bool:
    """Return whether this thread's operation ended its wait long after its deadline."""
    return _times.deadline is not None and time.monotonic() > _times.deadline + OVERTIME_SECONDS


def _seconds_left() -> float:
    """Return the seconds until the deadline of this thread's operation."""
    if _times.deadline is None:
        return OPERATION_SECONDS
    return max(MIN_WAIT_SECONDS, _times.deadline - time.monotonic())


def _connect_in_thread(connect: Callable[[], socket.socket]) -> socket.socket:
    """Connect before this thread's deadline.

    :raises TimeoutError: it took too long; should the connection still come about, it is closed.
    """
    future: Future[socket.socket] = Future()

    def run() -> None:
        try:
            sock = connect()
        except Exception as error:  # noqa: BLE001 # for the thread that waits, if it still does
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
            return
        if future.set_running_or_notify_cancel():
            future.set_result(sock)
        else:
            sock.close()

    threading.Thread(target=run, name="postern-redis-connect", daemon=True).start()
    try:
        return future.result(_seconds_left())
    except TimeoutError:
        if future.cancel():
            raise
        return future.result()
