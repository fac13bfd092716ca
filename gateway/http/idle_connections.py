"""Idle connections to one origin: which of them may be used again, for how long and how often."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping

from gateway.clock import Clock
from gateway.http.connect.connection import Connection

IDLE_SECONDS = 50.0  # below the 60 to 75 s after which most servers hang up on an idle connection
#: Under steady traffic, too, a change of DNS (failover, blue/green) is followed in two minutes.
MAX_AGE_SECONDS = 120.0
#: A request that is on its way when a server hangs up, as it has announced, may be lost.
HANG_UP_MARGIN_SECONDS = 1.5
_HINT = re.compile(r"\b(timeout|max)[ \t]*=[ \t]*\"?([0-9]{1,9})", re.IGNORECASE)


class IdleConnections:
    """Safe under threads and greenlets: each connection is taken off the deque by one of them.

    :param size: idle connections it holds.
    """

    def __init__(self, size: int, clock: Clock) -> None:
        #: Each with the instant up to which it may be used again.
        self._idle: deque[tuple[Connection, float]] = deque(maxlen=size)
        self._clock = clock
        self.closed = False

    def take(self) -> Connection | None:
        """Return the connection used last that is still open."""
        while self._idle:
            try:
                connection, good_until = self._idle.pop()
            except IndexError:  # another call took the last one
                return None
            if self._clock.now() < good_until and connection.is_reusable():
                return connection
            connection.close()
        return None

    def give_back(self, connection: Connection, headers: Mapping[str, str]) -> None:
        """Hold a connection for its next use, or close it.

        :param headers: of the answer that was read from it, by lower-case names.
        """
        now = self._clock.now()
        connection.use_count += 1
        hint = headers.get("keep-alive")
        if hint is not None:
            idle = _idle_seconds(connection, hint)
        elif connection.use_count < connection.max_uses:
            idle = IDLE_SECONDS
        else:
            idle = 0.0
        good_until = min(now + idle, connection.opened_at + MAX_AGE_SECONDS)
        if self._idle:
            self._close_oldest(now)
        if self.closed or good_until <= now or len(self._idle) == self._idle.maxlen:
            connection.close()
        else:
            self._idle.append((connection, good_until))

    def close(self) -> None:
        """Close idle connections; those in use are closed when they come back."""
        self.closed = True
        while self._idle:
            self._idle.pop()[0].close()

    def _close_oldest(self, now: float) -> None:
        """Close the connection idle longest if it can serve no more; it would hold a descriptor."""
        try:
            if self._idle[0][1] <= now:
                self._idle.popleft()[0].close()
        except IndexError:
            return  # another call took the last one


def _idle_seconds(connection: Connection, hint: str) -> float:
    """Return for how long a connection may lie idle; 0: not at all.

    The server's ``Keep-Alive`` says so (RFC 2068, 19.7.1.1). Its ``max`` is how many requests the
    connection takes: in all, or beyond this one. A server that counts down says so in each answer.
    """
    hints = {name.lower(): int(number) for name, number in _HINT.findall(hint)}
    if "max" in hints:
        connection.max_uses = min(connection.max_uses, connection.use_count - 1 + hints["max"])
    if connection.use_count >= connection.max_uses:
        return 0.0
    timeout = hints.get("timeout")
    if timeout is None:
        return IDLE_SECONDS
    return min(IDLE_SECONDS, max(timeout - HANG_UP_MARGIN_SECONDS, timeout / 2))
