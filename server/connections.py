"""What each connection is waiting for, how long it may, and who goes first where there is no room.

A connection that has nothing of a request is idle for as long as ``keepalive`` says. A head comes
within ``HEAD_SECONDS``; a body of somebody unknown within ``BODY_SECONDS`` and a second more for
each ``BODY_BYTES_PER_SECOND`` of it (as Apache's mod_reqtimeout has it); one of a known caller goes
on for as long as something comes.
"""

from __future__ import annotations

import contextlib
import socket
import time
from itertools import islice
from typing import Any

import gevent

from api.errors import BrokenBody, MalformedBody
from gateway.clock import YIELD_SECONDS
from server import request_head

HEAD_SECONDS = 20
BODY_SECONDS = 20
BODY_BYTES_PER_SECOND = 500
SILENCE_SECONDS = 60  # between two pieces of a known caller's body
FRESH_SECONDS = 0.2  # a connection that has been idle for less may have a request on its way
LINGER_SECONDS = 30
LINGER_SILENCE_SECONDS = 5
LINGER_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 8192
_HEAD_TOO_SLOW = (
    "The request line and the headers did not come within {} seconds; send them at once."
)
MAX_RECEIVE_BYTES = 1024 * 1024  # at once, of a long body

IDLE, HEAD, BODY, LINGERING = range(4)


class _Overdue(BaseException):
    """Thrown into who waits for a connection's next bytes, once that took too long."""


class Evicted(BaseException):
    """Thrown into the same if another connection needs the room: it ends without an answer.

    No ``Exception``: a worker without room has no time to let the application answer.
    """


class CallerConnection:
    """One caller's connection; waiting for bytes, it stands in a group of ``CallerConnections``.

    ``read`` and ``unread`` are those that gunicorn's readers of bodies ask of their source.

    :ivar head: of the request that is being answered, once it is here.
    """

    def __init__(self, sock: Any, connections: CallerConnections) -> None:
        self.sock = sock
        self._connections = connections
        self._greenlet = gevent.getcurrent()
        self._group: dict[CallerConnection, None] = connections.idle
        self._ending: type[BaseException] | None = None
        self._buffer = b""
        self._phase = IDLE
        self._is_authenticated = False
        self._received = 0
        self.expects_continue = False
        self.ended = False
        self.head = b""

    def read_head(self) -> bytes | None:
        """Return the next head without the empty line at its end; None where the caller hung up.

        :raises CallerError: it is none, or too large, or did not come in time.
        """
        self._phase = IDLE
        self._is_authenticated = False
        self.expects_continue = False
        has_answered = bool(self.head)
        self.head = b""
        head = self._buffer or self.receive(waits=has_answered)
        if head[:2] == b"\r\n":
            head = head[2:]  # RFC 9112, 2.2: one empty line before a request is ignored
        while (end := head.find(b"\r\n\r\n")) < 0:
            if head:
                request_head.check_beginning(head)
                if self._phase == IDLE:
                    self._phase = HEAD
                    self.deadline = time.monotonic() + HEAD_SECONDS
            piece = self.receive()
            if not piece:
                return None
            head = (head + piece).removeprefix(b"\r\n") if len(head) < 2 else head + piece
        self._buffer = head[end + 4 :]
        self.head = head[:end]
        return self.head

    def await_body(self, *, expects_continue: bool) -> None:
        """:param expects_continue: the caller waits for a 100 before it sends any."""
        self._phase = BODY
        self._began = 0.0
        self._received = 0
        self.expects_continue = expects_continue

    def mark_authenticated(self) -> None:
        """Limit the time of the body from now on by silence alone."""
        self._is_authenticated = True

    def read(self, size: int | None = None, read_ahead: int | None = None) -> bytes:
        """Return so many bytes, fewer only at the end; without a size what comes next.

        :param read_ahead: how many bytes may be read at once; what is too many stays in the buffer.
        """
        if size is None:
            data = self._buffer
            self._buffer = b""
            if not data:
                data = self.receive(read_ahead or 0)
                gevent.sleep(YIELD_SECONDS)  # or chunks of a byte would hold up all others
            return data
        while len(self._buffer) < size:
            piece = self.receive(max(size, read_ahead or 0) - len(self._buffer))
            if not piece:
                break
            self._buffer += piece
        data = self._buffer[:size]
        self._buffer = self._buffer[size:]
        return data

    def unread(self, data: bytes) -> None:
        self._buffer = data + self._buffer

    @property
    def buffered(self) -> int:
        return len(self._buffer)

    def receive(self, size: int = 0, *, waits: bool = False) -> bytes:
        """Return the next bytes; none once the connection was ended.

        :param waits: nothing can have come yet.
        :raises MalformedBody: the head of a request did not come in time.
        :raises BrokenBody: while it waited for a body.
        :raises Evicted: at any time.
        """
        if self.expects_continue and not self.ended:
            self.expects_continue = False
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        size = min(max(size, CHUNK_BYTES), MAX_RECEIVE_BYTES)
        while not self.ended:
            if waits:
                waits = False
                self._wait()
                continue
            try:
                data: bytes = self.sock._sock.recv(size)  # gevent's own would wait
            except BlockingIOError:
                waits = True
                continue
            self._received += len(data)
            return data
        return b""

    def _wait(self) -> None:
        """Wait until something has come, unless the connection is ended meanwhile."""
        group = self._group = self._prepare()
        group[self] = None
        try:
            self.sock._wait(self.sock._read_event)
        except Evicted:
            self.ended = True
            raise
        except _Overdue:
            self.ended = True
            if self._phase == HEAD:
                raise MalformedBody(_HEAD_TOO_SLOW.format(HEAD_SECONDS)) from None
            if self._phase == BODY:
                raise BrokenBody(
                    "The body came too slowly; send it again, without long pauses."
                ) from None
        finally:
            self._ending = None
            group.pop(self, None)

    def _prepare(self) -> dict[CallerConnection, None]:
        """Set the deadline; return the group to wait in."""
        now = self.since = time.monotonic()
        if self._phase == HEAD:
            return self._connections.senders
        if self._phase == IDLE:
            self.deadline = now + self._connections.idle_seconds
            self._received = 0
            return self._connections.idle
        if self._phase == LINGERING:
            self.deadline = min(self._linger_until, now + LINGER_SILENCE_SECONDS)
            return self._connections.senders
        if self._is_authenticated:
            self.deadline = now + SILENCE_SECONDS
            return self._connections.uploads
        self._began = self._began or now
        self.deadline = self._began + BODY_SECONDS + self._received / BODY_BYTES_PER_SECOND
        return self._connections.senders

    def send(self, data: bytes) -> None:
        """Send all of it, mostly at once."""
        try:
            sent = self.sock._sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.sock.sendall(memoryview(data)[sent:])

    def end(self, reason: type[BaseException] = _Overdue) -> None:
        """Let its wait end, unless something has come."""
        self._group.pop(self, None)
        self._ending = reason
        gevent.get_hub().loop.run_callback(self._throw)

    def _throw(self) -> None:
        if self._ending and not (self._phase == IDLE and self._readable()):
            self._greenlet.throw(self._ending)

    def _readable(self) -> bool:
        """Return whether a request has come that nobody has looked at yet."""
        try:
            return bool(self.sock._sock.recv(1, socket.MSG_PEEK))  # gevent's own would wait
        except OSError:
            return False

    def linger(self) -> None:
        """Read and discard what still comes: after the close it would reset the answer on its way.

        Some clients, urllib for one, read an answer only once they have sent everything.
        """
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
            self._phase = LINGERING
            self._linger_until = time.monotonic() + LINGER_SECONDS
            remaining = LINGER_BYTES
            while remaining > 0 and (data := self.receive(65536)):
                remaining -= len(data)


class CallerConnections:
    """The connections of one worker that wait for bytes, in three groups, the longest wait first.

    :ivar idle: nothing of a request has come.
    :ivar senders: still sending a head, or a body before it is known whose it is.
    :ivar uploads: sending a body of a known caller.
    :param idle_seconds: how long one may be idle.
    :param max_senders: beyond them the one that has been silent longest is ended.
    """

    def __init__(self, idle_seconds: float, max_senders: int) -> None:
        self.idle_seconds = idle_seconds
        self.max_senders = max_senders
        self.idle: dict[CallerConnection, None] = {}
        self.senders: dict[CallerConnection, None] = {}
        self.uploads: dict[CallerConnection, None] = {}
        self.evicted = 0
        self._looked_at = time.monotonic()

    def end_overdue(self) -> None:
        """End those that were overdue at the last look, too.

        After a standstill of the process (a suspended machine) timers may come before what the
        callers have sent meanwhile.
        """
        overdue = [
            connection
            for group in (self.idle, self.senders, self.uploads)
            for connection in group
            if connection.deadline < self._looked_at
        ]
        self._looked_at = time.monotonic()
        for connection in overdue:
            connection.end()

    def make_room(self, *, full: bool) -> None:
        """End who sends most slowly, down to the share that senders may have.

        :param full: the worker takes no further connection; the one that has waited longest goes.
        """
        surplus = max(0, len(self.senders) - self.max_senders)
        chosen = list(islice(self.senders, surplus))
        if full and not surplus:
            candidates = [next(iter(group)) for group in (self.senders, self.idle) if group]
            chosen = sorted(candidates, key=lambda connection: connection.since)[:1]
        for connection in chosen:
            connection.end(Evicted)
        self.evicted += len(chosen)

    def end_idle(self) -> None:
        now = time.monotonic()
        for connection in list(self.idle):
            if now - connection.since >= FRESH_SECONDS:
                connection.end()
