"""Idle connections to one origin: which of them may be used again, for how long and how often."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

from gateway.clock import Clock
from gateway.connection import Connection

IDLE_SECONDS = 50.0  # below the 60 to 75 s after which most servers hang up on an idle connection
MAX_AGE_SECONDS = 120.0  # under steady traffic, too, a change of DNS (failover, blue/green) is followed in two minutes
MARGIN_SECONDS = 1.5  # before a server hangs up as it has announced: a request that is on its way then may be lost
_HINT = re.compile(r"\b(timeout|max)[ \t]*=[ \t]*\"?([0-9]{1,9})", re.IGNORECASE)


class Pool:
    """Safe under threads and greenlets: a connection is taken off the deque by one of them.

    :param size: idle connections it holds.
    """

    def __init__(self, size: int, clock: Clock) -> None:
        self._idle: deque[tuple[Connection, float]] = deque(maxlen=size)  # with the instant up to which it is good
        self._clock = clock
        self.closed = False

    def take(self) -> Connection | None:
        """The connection used last that is still open."""
        while self._idle:
            try:
                connection, good_until = self._idle.pop()
            except IndexError:  # another call took the last one
                return None
            if self._clock.now() < good_until and connection.quiet():
                return connection
            connection.close()
        return None

    def give_back(self, connection: Connection, headers: Mapping[str, str]) -> None:
        """Hold a connection for its next use, or close it.

        :param headers: of the answer that was read from it, by lower-case names.
        """
        now = self._clock.now()
        connection.uses += 1
        idle = _idle_seconds(connection, headers.get("keep-alive"))
        good_until = min(now + idle, connection.opened + MAX_AGE_SECONDS)
        self._drop_old(now)
        if self.closed or good_until <= now or len(self._idle) == self._idle.maxlen:
            connection.close()
        else:
            self._idle.append((connection, good_until))

    def close(self) -> None:
        """Close idle connections; those in use are closed when they come back."""
        self.closed = True
        while self._idle:
            self._idle.pop()[0].close()

    def _drop_old(self, now: float) -> None:
        """Close what was left idle longest, if it can serve no more; it would hold a descriptor until it is needed."""
        with suppress(IndexError):  # another call took the last one
            if self._idle[0][1] <= now:
                self._idle.popleft()[0].close()


def _idle_seconds(connection: Connection, hint: str | None) -> float:
    """For how long a connection may lie idle, by the other side's ``Keep-Alive`` (RFC 2068, 19.7.1.1); 0: not at all.

    ``max`` is how many requests it takes: in all, or beyond this one. A server that counts down says so in each answer.
    """
    if hint is None:
        return IDLE_SECONDS if connection.uses < connection.max_uses else 0.0
    hints = {name.lower(): int(number) for name, number in _HINT.findall(hint)}
    if "max" in hints:
        connection.max_uses = min(connection.max_uses, connection.uses - 1 + hints["max"])
    if connection.uses >= connection.max_uses:
        return 0.0
    timeout = hints.get("timeout")
    if timeout is None:
        return IDLE_SECONDS
    return min(IDLE_SECONDS, max(timeout - MARGIN_SECONDS, timeout / 2))
