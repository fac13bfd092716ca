"""Accepting connections, also where the process has no file descriptor left for one."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from gevent.pool import Pool
from gevent.server import StreamServer

PAUSE_SECONDS = 0.1
LOG_SECONDS = 10.0
UNREAD_SECONDS = 60  # after which a caller who takes nothing more of its answer is gone
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}


class Listener(StreamServer):
    """One listening socket of a worker.

    :param handle: given the socket's own address, a connection and its address.
    :param size: connections at a time.
    :param make_room: called where there is no descriptor for a new connection.
    """

    def __init__(
        self, sock: Any, handle: Callable[..., None], size: int, make_room: Callable[..., None]
    ) -> None:
        self._make_room = make_room
        self._logged = -LOG_SECONDS
        # Accepted connections inherit it. The system ends them, so that nothing is counted for each answer.
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
        super().__init__(sock, handle=partial(handle, sock.getsockname()), spawn=Pool(size))

    def do_read(self) -> Any:
        """Accept a connection; without a descriptor for it look again in a moment, neither sooner nor never."""
        try:
            return super().do_read()
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            self._log(error)
        self._make_room(full=True)
        self.stop_accepting()
        self._timer = self.loop.timer(PAUSE_SECONDS)
        self._timer.start(self._start_accepting_if_started)
        return None

    def _log(self, error: OSError) -> None:
        if time.monotonic() - self._logged >= LOG_SECONDS:
            self._logged = time.monotonic()
            structlog.get_logger().error(
                "accept", error=errno.errorcode[error.errno or 0], hint="raise ulimit -n"
            )

    def busy(self) -> bool:
        return self.pool.free_count() != self.pool.size

    def close_when_empty(self) -> None:
        """Take the connections that wait in the queue, which the close would reset, and close."""
        self.stop_accepting()
        while accepted := self.do_read():
            self.do_handle(*accepted)
        self.close()
