"""The gunicorn worker: gevent's, with rules of its own for who may wait how long, and for how it ends."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from typing import Any

import gevent
import structlog
from gunicorn import util
from gunicorn.http.errors import (
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    NoMoreData,
    ParseException,
)
from gunicorn.workers.ggevent import GeventWorker

from api.errors import BrokenBody
from api.http.refused import refused
from gateway.errors import GatewayError
from server import stopping
from server.connections import Connection, Connections, Evicted
from server.listener import LOG_SECONDS, Listener
from server.log import watch_hub
from server.requests import RequestParser, failure_of

OUR_FAULT = (InvalidResponseHeader, InvalidResponseHeaderName)
GONE = {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF, errno.ETIMEDOUT}
TICK_SECONDS = 0.25


class Worker(GeventWorker):
    """gunicorn's, but for how it accepts, whom it waits for, what it says to what is not HTTP, and when it ends."""

    def init_process(self) -> None:
        self.connections = Connections(self.cfg.keepalive, self.worker_connections // 2)
        self._logged = -LOG_SECONDS
        watch_hub()
        super().init_process()

    def run(self) -> None:
        self.listeners = [
            Listener(sock, self.handle, self.worker_connections, self.connections.make_room)
            for sock in self.sockets
        ]
        for listener in self.listeners:
            if self.cfg.workers > 1:
                listener.max_accept = 1
            listener.start()
        while self.alive:
            self._tick()
        self._end()

    def _tick(self) -> None:
        self.notify()
        self.connections.end_overdue()
        self.connections.make_room(full=self._full())
        self._log_evicted()
        gevent.sleep(TICK_SECONDS)

    def _log_evicted(self) -> None:
        if self.connections.evicted and time.monotonic() - self._logged >= LOG_SECONDS:
            self._logged = time.monotonic()
            structlog.get_logger().warning("crowded", ended=self.connections.evicted)
            self.connections.evicted = 0

    def _full(self) -> bool:
        return any(listener.pool.full() for listener in self.listeners)

    def _end(self) -> None:
        """Serve on while load balancers learn that this ends, or clients that this connection does; then finish."""
        began = time.monotonic()
        parts = self.wsgi.extensions["postern"]
        self._tick()  # whoever signals all processes at once may reach this one before the master has
        if stopping.announced():
            parts.stopping.set()
        else:
            for listener in self.listeners:
                listener.close()  # others listen on the same socket
        drained = began + parts.settings.drain_seconds
        while time.monotonic() < drained and (stopping.announced() or self._busy()):
            self._tick()
        for listener in self.listeners:
            if not listener.closed:
                listener.close_when_empty()
        while self._busy() and time.monotonic() < began + self.cfg.graceful_timeout - 1:
            self.connections.end_idle()
            self._tick()
        if self._busy():
            self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
        for listener in self.listeners:
            listener.stop(timeout=0)

    def _busy(self) -> bool:
        return any(listener.busy() for listener in self.listeners)

    def handle(self, address: Any, client: socket.socket, peer: Any) -> None:
        """Answer the requests of one connection, one after another."""
        client.setblocking(True)
        connection = Connection(client, self.connections)
        self.connections.make_room(full=self._full())
        parser = RequestParser(self.cfg, connection, peer)
        request = None
        try:
            while True:
                request = next(parser)
                self._answer(address, request, client, peer)
                request = None
        except (StopIteration, NoMoreData, Evicted):
            pass
        except OSError as error:
            if error.errno not in GONE and not isinstance(error, TimeoutError):
                self.log.exception("Socket error processing request.")
        except Exception as error:  # noqa: BLE001
            self.handle_error(connection, client, peer, error)
        finally:
            util.close(client)

    def _answer(self, address: Any, request: Any, client: socket.socket, peer: Any) -> None:
        """gunicorn would join several ``Cookie`` lines with a comma, which makes one broken cookie of all.

        :raises StopIteration: the connection ends with this answer.
        """
        cookies = [value for name, value in request.headers if name == "COOKIE"]
        if len(cookies) > 1:
            request.headers = [line for line in request.headers if line[0] != "COOKIE"]
            request.headers.append(("COOKIE", "; ".join(cookies)))
        try:
            request.await_small_body()
            self.handle_request(address, request, client, peer)
        except StopIteration:
            if request.unread_bytes():
                request.unreader.linger()
            raise

    def handle_error(
        self, connection: Connection, client: socket.socket, addr: Any, exc: BaseException
    ) -> None:
        """The envelope where gunicorn would write HTML, and a line of ours where it would log what the caller sent."""
        failure: GatewayError = GatewayError()
        cause: BaseException | None = exc
        if isinstance(exc, BrokenBody):
            failure, cause = exc, None
        elif isinstance(exc, ParseException) and not isinstance(exc, OUR_FAULT):
            failure, cause = failure_of(exc), None
        answer = refused(self.wsgi, addr[0] if addr else None, failure, cause)
        with contextlib.suppress(OSError):
            util.write_nonblock(client, answer)
            connection.linger()
