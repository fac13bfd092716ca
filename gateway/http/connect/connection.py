"""A connected socket."""

from __future__ import annotations

import math
import select
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

from greenlet import getcurrent

from gateway.clock import Clock
from gateway.errors import CallerGone
from gateway.http.connect.happy_eyeballs import remaining_seconds
from gateway.streams import CallerWatch

CHUNK_BYTES = 65536  # bytes a single recv may bring


class Connection:
    """A connected socket, plain or TLS, on which every step ends at an instant.

    :ivar opened_at: the instant at which it was connected.
    :ivar use_count: exchanges that it has served; the other side may have said that it takes
        ``max_uses``.
    """

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        sock.settimeout(0)  # for good: who waits for it waits here
        self.sock = sock
        self.opened_at = clock.now()
        self.use_count = 0
        self.max_uses = math.inf
        self._clock = clock
        self._tls = isinstance(sock, ssl.SSLSocket)
        #: What it does without a wait: gevent's sockets are Python around one of C.
        self._raw = sock if self._tls else getattr(sock, "_sock", sock)
        self._hub = getattr(sock, "hub", None)  # gevent's
        self._answer_is_due = False

    def send(self, data: bytes | memoryview, until: float) -> int:
        """Send a first part of the data, and return how many bytes were taken."""
        self._answer_is_due = True
        if self._tls:
            # gevent returns 0 where ssl raises SSLWantWriteError.
            while not (sent := self.with_deadline(until, self.sock.send, data)):
                self._await(select.POLLOUT, until, None)
            return cast(int, sent)
        if until <= self._clock.now():
            raise TimeoutError("time is up")
        while True:
            try:
                size: int = self._raw.send(data)
                return size
            except BlockingIOError:
                self._await(select.POLLOUT, until, None)

    def send_all(self, data: memoryview, until: float) -> None:
        while data:
            data = data[self.send(data, until) :]

    def receive(self, until: float, watch: CallerWatch | None = None) -> bytes:
        """Return what comes next; nothing once the other side has hung up.

        :raises CallerGone: ``watch`` says so.
        """
        if self._tls or watch:
            return cast(bytes, self.with_deadline(until, self._raw.recv, CHUNK_BYTES, watch=watch))
        waits = self._answer_is_due  # which has hardly come yet
        self._answer_is_due = False
        while True:
            if waits:
                self._await(select.POLLIN, until, None)
            try:
                data: bytes = self._raw.recv(CHUNK_BYTES)
                return data
            except BlockingIOError:
                waits = True

    def with_deadline(
        self,
        until: float,
        step: Callable[..., Any],
        *args: object,
        watch: CallerWatch | None = None,
    ) -> Any:
        """Do one step, which under TLS may take several reads and writes.

        A socket's own timeout would begin anew with each of them.
        """
        while True:
            try:
                return step(*args)
            except (BlockingIOError, ssl.SSLWantReadError):
                watch = self._await(select.POLLIN, until, watch)
            except ssl.SSLWantWriteError:
                watch = self._await(select.POLLOUT, until, watch)

    def _await(self, event: int, until: float, watch: CallerWatch | None) -> CallerWatch | None:
        """Wait for the socket, and return who is to be watched from then on."""
        if self._hub and not watch:
            self._await_in_hub(event, remaining_seconds(self._clock, until))
            return None
        poll = select.poll()
        poll.register(self.sock, event)
        if watch:
            poll.register(watch.fileno(), select.POLLIN)
        ready = poll.poll(remaining_seconds(self._clock, until) * 1000)
        if not ready:
            raise TimeoutError("time is up")
        if not watch or all(descriptor == self.sock.fileno() for descriptor, _ in ready):
            return watch
        if watch.gone():
            raise CallerGone
        return None  # it has sent its next request already: that it ends can no longer be seen

    def _await_in_hub(self, event: int, seconds: float) -> None:
        """Wait as gevent's sockets do, with a tenth of the Python that their timeout takes."""
        sock: Any = self.sock
        hub: Any = self._hub
        watcher = sock._read_event if event == select.POLLIN else sock._write_event
        timer = hub.loop.timer(seconds)
        # The loop's own time may be old, and the timer would go off too early.
        timer.start(getcurrent().throw, TimeoutError("time is up"), update=True)
        try:
            hub.wait(watcher)
        finally:
            timer.stop()
            timer.close()

    def read_available(self) -> bytes | None:
        """Return what has come unread: None for nothing, empty once the other side has hung up."""
        try:
            data: bytes = self._raw.recv(CHUNK_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        return data

    def is_reusable(self) -> bool:
        """Return whether it is still open and silent: a late byte makes it useless, too."""
        try:
            self._raw.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        self.sock.close()
