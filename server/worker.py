"""The gunicorn worker: gevent's, with its own HTTP reader, time limits, and shutdown."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from typing import Any

import gevent
from gunicorn import util
from gunicorn.http.errors import ParseException
from gunicorn.http.message import _ip_in_allow_list
from gunicorn.http.wsgi import base_environ
from gunicorn.workers.ggevent import GeventWorker

from api.context import AppState
from api.errors import BrokenBody
from api.http.error_response import render_error_response
from api.logs import current_log
from gateway.errors import CallerError, GatewayError
from server import stopping
from server.connections import CallerConnection, CallerConnections, Evicted
from server.listener import LOG_SECONDS, Listener
from server.log import watch_hub
from server.request_body import open_body
from server.request_head import HeadParser, Request
from server.responses import Response

DISCONNECT_ERRNOS = {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF, errno.ETIMEDOUT}
TICK_SECONDS = 0.25
SUCCESSOR_SECONDS = 20.0  # that a worker to be replaced waits for another at most


class Worker(GeventWorker):
    """gunicorn's, but for how it accepts, whom it awaits, how it answers bad HTTP, and its end."""

    def init_process(self) -> None:
        self.connections = CallerConnections(self.cfg.keepalive, self.worker_connections // 2)
        self._heads = HeadParser(
            {
                f"HTTP_{name.replace('-', '_')}": value
                for name, value in self.cfg.secure_scheme_headers.items()
            }
        )
        self._base_environ = {
            **base_environ(self.cfg),
            "wsgi.multithread": True,
            "wsgi.url_scheme": "http",
            "SCRIPT_NAME": "",
        }
        del self._base_environ["wsgi.file_wrapper"]
        self._logged = -LOG_SECONDS
        watch_hub()
        super().init_process()

    def run(self) -> None:
        self._log = current_log()
        self.listeners = [
            Listener(sock, self.handle, self.worker_connections, self.connections.make_room)
            for sock in self.sockets
        ]
        for listener in self.listeners:
            if self.cfg.workers > 1:
                listener.max_accept = 1
            listener.start()
        stopping.mark_accepting(self.age)
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
            current_log().warning("crowded", ended=self.connections.evicted)
            self.connections.evicted = 0

    def _full(self) -> bool:
        return any(listener.pool.full() for listener in self.listeners)

    def _end(self) -> None:
        """Serve on while load balancers or clients learn of the end; then finish."""
        began = time.monotonic()
        state = AppState.of(self.wsgi)
        self._tick()  # a signal to all processes may reach this one before the master
        if not stopping.service_ends():
            self._await_successor(began + SUCCESSOR_SECONDS)
            began = time.monotonic()
        if stopping.service_ends():
            state.stopping.set()
        else:
            for listener in self.listeners:
                listener.close()  # others listen on the same socket
        drained = began + state.settings.drain_seconds
        while time.monotonic() < drained and (stopping.service_ends() or self._busy()):
            self._tick()
        self._close_listeners()
        while self._busy() and time.monotonic() < began + self.cfg.graceful_timeout - 1:
            self.connections.end_idle()
            self._tick()
        if self._busy():
            self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
        for listener in self.listeners:
            listener.stop(timeout=0)

    def _await_successor(self, until: float) -> None:
        """Go on accepting: a reload tells this worker to end before another has its modules."""
        while (
            time.monotonic() < until
            and not stopping.service_ends()
            and not stopping.successor_accepts(self.age, self.cfg.workers)
        ):
            self._tick()

    def _close_listeners(self) -> None:
        """Close those that are open, once all connections that were let in are accepted."""
        listeners = [listener for listener in self.listeners if not listener.closed]
        if listeners and stopping.closes_sockets():
            for listener in listeners:
                listener.refuse_handshakes()
            self._tick()  # handshakes that are under way end meanwhile
        for listener in listeners:
            listener.close_when_empty()

    def _busy(self) -> bool:
        return any(listener.busy() for listener in self.listeners)

    def handle(self, address: Any, client: socket.socket, peer: Any) -> None:
        """Answer the requests of one connection, one after another."""
        client.setblocking(True)
        connection = CallerConnection(client, self.connections)
        self.connections.make_room(full=self._full())
        environ = self._environ(address, client, peer)
        environ["postern.caller_is_known"] = connection.mark_authenticated
        trusted = self._is_trusted(peer)
        try:
            while self._answer_next(connection, environ, trusted):
                pass
        except (Evicted, gevent.GreenletExit, SystemExit):
            pass
        except OSError as error:
            if error.errno not in DISCONNECT_ERRNOS and not isinstance(error, TimeoutError):
                self.log.exception("Socket error processing request.")
        except Exception as error:  # noqa: BLE001
            self.handle_error(connection, client, peer, error)
        finally:
            self._log.flush()  # who sees the end of an answer that breaks off finds its lines
            util.close(client)

    def _environ(self, address: Any, client: socket.socket, peer: Any) -> dict[str, Any]:
        """Return what is so for every request of a connection; a Unix socket has no addresses."""
        host, port = address[:2] if isinstance(address, tuple) else (str(address), "")
        environ = {
            **self._base_environ,
            "gunicorn.socket": client,
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "REMOTE_ADDR": "",
        }
        if isinstance(peer, tuple):
            environ["REMOTE_ADDR"] = peer[0]
            environ["REMOTE_PORT"] = str(peer[1])
        return environ

    def _is_trusted(self, peer: Any) -> bool:
        """Return whether a proxy's word on the scheme counts (``forwarded_allow_ips``)."""
        if not isinstance(peer, tuple):
            return True
        networks = self.cfg.forwarded_allow_networks()
        return bool(_ip_in_allow_list(peer[0], self.cfg.forwarded_allow_ips, networks))

    def _answer_next(
        self, connection: CallerConnection, environ: dict[str, Any], trusted: bool
    ) -> bool:
        """Answer the next request of a connection; return whether another may follow."""
        head = connection.read_head()
        if head is None:
            return False
        request = self._heads.parse(head, environ.copy(), trusted=trusted)
        request.environ["wsgi.input"] = open_body(connection, request)
        response = Response(connection.send, request, ends=not self.alive)
        self._run(request, response)
        if not response.ends:
            return request.stream is None or request.stream.finish()
        if request.stream is not None and request.stream.unread_bytes():
            connection.linger()
        return False

    def _run(self, request: Request, response: Response) -> None:
        """Let the application answer; if it fails in the middle the connection ends there."""
        try:
            pieces = self.wsgi(request.environ, response.start)
            self._log.flush()  # who has the answer finds its lines
            try:
                for piece in pieces:
                    response.write(piece)
                if self._log.lines:  # of a stream's end
                    self._log.flush()
                response.close()
            finally:
                if hasattr(pieces, "close"):
                    pieces.close()
        except OSError:
            raise
        except Exception:
            if not response.sent:
                raise
            self.log.exception("Error handling request")
            response.ends = True

    def handle_error(
        self, connection: CallerConnection, client: socket.socket, addr: Any, exc: BaseException
    ) -> None:
        """Answer the envelope instead of gunicorn's HTML; log without what the caller sent."""
        failure: GatewayError = GatewayError()
        cause: BaseException | None = exc
        if isinstance(exc, CallerError):
            failure = exc
            cause = None
        elif isinstance(exc, ParseException):
            failure = BrokenBody()
            cause = None
        answer = render_error_response(self.wsgi, addr[0] if addr else None, failure, cause)
        if connection.head.startswith(b"HEAD "):
            answer = answer[: answer.index(b"\r\n\r\n") + 4]
        self._log.flush()
        with contextlib.suppress(OSError):
            util.write_nonblock(client, answer)
            connection.linger()
