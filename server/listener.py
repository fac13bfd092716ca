"""Accepting connections, also where the process has no file descriptor left for one."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from gevent.pool import Pool
from gevent.server import StreamServer

from api.logs import current_log
from gateway.system import EXHAUSTION

PAUSE_SECONDS = 0.1
LOG_SECONDS = 10.0
UNREAD_SECONDS = 60  # after which a caller who takes nothing more of its answer is gone

SO_ATTACH_FILTER = 26  # Linux, asm-generic/socket.h
#: Classic BPF over a TCP header (linux/filter.h): code, jump if true, jump if false, value.
DROP_SYN = (
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x45, 0, 1, 0x02),  # unless SYN is set skip an instruction
    (0x06, 0, 0, 0),  # drop the segment
    (0x06, 0, 0, 0xFFFFFFFF),  # take all of it
)


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
        # Accepted connections inherit it. The system ends them, so nothing is counted per answer.
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
        super().__init__(sock, handle=partial(handle, sock.getsockname()), spawn=Pool(size))

    def do_read(self) -> Any:
        """Accept a connection; without a descriptor for it, try again in a moment."""
        try:
            return super().do_read()
        except OSError as error:
            if error.errno not in EXHAUSTION:
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
            current_log().error(
                "accept", error=errno.errorcode[error.errno or 0], hint="raise ulimit -n"
            )

    def busy(self) -> bool:
        return self.pool.free_count() != self.pool.size

    def refuse_handshakes(self) -> None:
        """Let no new handshake begin; those under way end, and their connections are accepted.

        Without it a connection that comes between the last accept and the close is reset, though it
        had been let in. A caller whose SYN is dropped sends it again, and finds the port closed or
        somebody else on it. All who listen on the same socket are concerned. Other systems than
        Linux, and some sandboxes, have no such filter.
        """
        if sys.platform == "linux" and self.socket.family != socket.AF_UNIX:
            with suppress(OSError):
                _attach_filter(self.socket, DROP_SYN)

    def close_when_empty(self) -> None:
        """Accept the connections that wait in the queue, which the close would reset, and close."""
        self.stop_accepting()
        while accepted := self.do_read():
            self.do_handle(*accepted)
        self.close()


def _attach_filter(sock: Any, program: tuple[tuple[int, int, int, int], ...]) -> None:
    """Have the kernel run a classic BPF program on each segment that comes to a socket.

    :raises OSError: the system takes none.
    """
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code)
    pointer = struct.pack("HP", len(program), ctypes.addressof(buffer))  # struct sock_fprog
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
