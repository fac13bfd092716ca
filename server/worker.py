"""The gunicorn worker: gevent's, with the envelope for what is no request, and an end that waits for no idle client."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import gevent
from gunicorn import util
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName, ParseException
from gunicorn.workers.ggevent import GeventWorker

from api.refused import refused

OUR_FAULT = (InvalidResponseHeader, InvalidResponseHeaderName)
FRESH_SECONDS = 0.2  # a connection that has been idle for less may have a request on its way
LINGER_SECONDS = 1
LINGER_READS = 32
CHUNK_BYTES = 65536


class _IdleTimeout(gevent.Timeout):
    """A connection's wait for its next request, for ``keepalive`` seconds or until the worker ends."""

    def __init__(self, seconds: float, idle: set[_IdleTimeout]) -> None:
        super().__init__(seconds, False)
        self._idle = idle

    def __enter__(self) -> _IdleTimeout:
        self._since = time.monotonic()
        self._greenlet = gevent.getcurrent()
        self._idle.add(self)
        super().__enter__()
        return self

    def __exit__(self, *caught: Any) -> Any:
        self._idle.discard(self)
        return super().__exit__(*caught)

    def end(self) -> None:
        """Close the connection, unless it has only just become idle."""
        if time.monotonic() - self._since > FRESH_SECONDS:
            gevent.get_hub().loop.run_callback(self._greenlet.throw, self)


class Worker(GeventWorker):
    """gunicorn's, but for three things: several ``Cookie`` lines, what it says to what is not HTTP, and when it ends.

    It ends once its requests have; gunicorn's own waits ``graceful_timeout`` for connections that are only open.
    """

    def init_process(self) -> None:
        self.idle: set[_IdleTimeout] = set()
        super().init_process()

    def timeout_ctx(self) -> _IdleTimeout:
        return _IdleTimeout(self.cfg.keepalive, self.idle)

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> Any:
        """gunicorn would join several ``Cookie`` lines with a comma, which makes one broken cookie of all."""
        cookies = [value for name, value in req.headers if name == "COOKIE"]
        if len(cookies) > 1:
            req.headers = [line for line in req.headers if line[0] != "COOKIE"] + [("COOKIE", "; ".join(cookies))]
        return super().handle_request(listener_name, req, sock, addr)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """The envelope where gunicorn would write HTML, and a line of ours where it would log what the caller sent."""
        ours = not isinstance(exc, ParseException) or isinstance(exc, OUR_FAULT)
        answer = refused(self.wsgi, addr[0] if addr else None, exc if ours else None)
        with contextlib.suppress(OSError):
            util.write_nonblock(client, answer)
            client.shutdown(socket.SHUT_WR)
            client.settimeout(LINGER_SECONDS)  # what is still coming is read, or its arrival would reset the answer
            for _ in range(LINGER_READS):
                if not client.recv(CHUNK_BYTES):
                    break

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        gevent.spawn(self._close_idle)

    def _close_idle(self) -> None:
        while True:  # gunicorn looks once a second whether any connection is left
            for wait in list(self.idle):
                wait.end()
            gevent.sleep(0.1)
