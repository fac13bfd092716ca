"""A socket server with one daemon thread per connection."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from sandbox.wire import ClientConnection

LISTEN_BACKLOG = 1024
ACCEPT_RETRY_SECONDS = 0.02
STOP_SECONDS = 0.4


class ServerContext:
    """Runs its `_server` between `start` and `stop`, or inside a `with`."""

    _server: Server

    def start(self) -> Self:
        """Listens when it returns; OSError when the port is taken. May follow a `stop`."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Closes the listener and every connection, in under half a second."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class Server:
    """Listens between `start` and `stop`; a second start uses the same port again."""

    def __init__(self, host: str, port: int, serve: Callable[[ClientConnection], None]) -> None:
        self.host = host
        self.port = port
        self.accepted = 0
        self._serve = serve
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._live: dict[socket.socket, threading.Thread] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None

    def start(self) -> None:
        """Bind and listen before it returns; may follow a `stop`.

        :raises OSError: the port is taken.
        """
        if self._listener is not None:
            return
        # create_server sets SO_REUSEADDR, without which old connections in TIME_WAIT would forbid a
        # restart.
        listener = socket.create_server((self.host, self.port), backlog=LISTEN_BACKLOG)
        self.port = listener.getsockname()[1]
        self._stopping = threading.Event()
        self._listener = listener
        self._acceptor = threading.Thread(
            target=self._accept, args=(listener, self._stopping), name="sandbox-accept", daemon=True
        )
        self._acceptor.start()

    @property
    def open(self) -> int:
        """How many connections are open now."""
        with self._lock:
            return len(self._live)

    def stop(self) -> None:
        """Close the listener and every connection; wait at most STOP_SECONDS for their threads."""
        listener = self._listener
        self._listener = None
        if listener is None or self._acceptor is None:
            return
        self._stopping.set()
        with suppress(OSError):
            # Wakes accept(), which close() alone does not on Linux. A thread that is only about to
            # accept would do so at whatever socket gets the descriptor next: it ends first.
            listener.shutdown(socket.SHUT_RDWR)
            self._acceptor.join()
        listener.close()
        deadline = time.monotonic() + STOP_SECONDS
        self._acceptor.join(STOP_SECONDS)
        with self._lock:
            live = list(self._live.items())
        for sock, _ in live:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for _, thread in live:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self, listener: socket.socket, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                # Out of descriptors, or a client gone already: go on unless stopping.
                stopping.wait(ACCEPT_RETRY_SECONDS)
                continue
            self._start_thread(sock, stopping)

    def _start_thread(self, sock: socket.socket, stopping: threading.Event) -> None:
        name = f"sandbox-{self.port}"
        thread = threading.Thread(target=self._run, args=(sock, stopping), name=name, daemon=True)
        with self._lock:
            self.accepted += 1
            self._live[sock] = thread
        try:
            thread.start()
        except RuntimeError:
            # The system has no more threads: this client loses, the server goes on.
            self._forget(sock)

    def _run(self, sock: socket.socket, stopping: threading.Event) -> None:
        try:
            with suppress(OSError):  # clients may leave at any moment
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if not stopping.is_set():
                    self._serve(ClientConnection(sock, stopping))
        finally:
            self._forget(sock)

    def _forget(self, sock: socket.socket) -> None:
        with self._lock:
            self._live.pop(sock, None)
        sock.close()
