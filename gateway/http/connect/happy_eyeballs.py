"""To the first of several addresses that accepts a connection (RFC 8305, "Happy Eyeballs").

Attempts begin STAGGER_SECONDS apart, or as soon as one has failed, in one loop over sockets that do
not block: an address that swallows what is sent to it costs a quarter of a second, and no thread is
needed.
"""

from __future__ import annotations

import errno
import itertools
import os
import select
import socket
from collections.abc import Iterable, Sequence

from gateway.clock import Clock
from gateway.http.connect.resolver import Address
from gateway.system import EXHAUSTION

STAGGER_SECONDS = 0.25  # RFC 8305, 5: the recommended Connection Attempt Delay
DEMOTION_SECONDS = 300.0  # for which an address that did not serve is tried last
KEEPALIVE_IDLE_SECONDS = 60  # NATs and firewalls forget a silent connection after 120 to 350 s
KEEPALIVE_INTERVAL_SECONDS = 15
KEEPALIVE_PROBES = 4
_KEEPIDLE = getattr(socket, "TCP_KEEPIDLE", 0x10)  # 0x10 is the same option on macOS


class Dialler:
    """Connects to one name's addresses, and remembers which of them did not serve.

    Those that do serve stay in the resolver's order, so that a name's load is spread as its owner
    spreads it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: Addresses that did not serve, each with the instant up to which it is tried last.
        self._demoted: dict[Address, float] = {}

    def sort(self, addresses: Iterable[Address]) -> list[Address]:
        """Order families in turn (RFC 8305, 4), and what did not serve lately behind the rest."""
        now = self._clock.now()
        self._demoted = {address: until for address, until in self._demoted.items() if now < until}
        return sorted(_interleave(addresses), key=lambda address: self._demoted.get(address, 0.0))

    def demote(self, address: Address) -> None:
        """Try this address last for a while."""
        self._demoted[address] = self._clock.now() + DEMOTION_SECONDS

    def dial(self, addresses: Sequence[Address], until: float) -> tuple[socket.socket, Address]:
        """Return a connected socket that does not block, and what it is connected to.

        :param until: the instant at which to give up.
        :raises TimeoutError: none has accepted by then.
        :raises OSError: all have failed, the last in this way; or no socket was left to try with.
        """
        race = _Race()
        waiting = list(reversed(addresses))
        try:
            while waiting or race.running:
                if waiting:
                    race.start(waiting.pop())
                if not race.running:
                    continue
                seconds = remaining_seconds(self._clock, until)
                if waiting:
                    seconds = min(seconds, STAGGER_SECONDS)
                ready = race.wait(seconds)
                if race.winner:
                    break
                if not ready and not waiting:
                    raise TimeoutError("time is up")
            if not race.winner:
                raise OSError(race.failure, os.strerror(race.failure))
            sock, address = race.winner
            for earlier in addresses[: addresses.index(address)]:
                self.demote(earlier)
            return sock, address
        finally:
            race.close()


class _Race:
    """Attempts under way beside each other.

    :ivar winner: the first that has connected.
    :ivar failure: the ``errno`` of the last that failed; want of something of our own stays.
    """

    def __init__(self) -> None:
        self.running: dict[int, tuple[socket.socket, Address]] = {}
        self.winner: tuple[socket.socket, Address] | None = None
        self.failure = 0
        self._poll = select.poll()

    def start(self, address: Address) -> None:
        try:
            sock = socket.socket(address.family, socket.SOCK_STREAM)
        except OSError as error:
            self._fail(error.errno or errno.EIO)
            return
        sock.setblocking(False)
        tune(sock)
        code = sock.connect_ex(address.sockaddr)
        if code in (0, errno.EINPROGRESS):
            self.running[sock.fileno()] = sock, address
            self._poll.register(sock, select.POLLOUT)
        else:
            sock.close()
            self._fail(code)

    def wait(self, seconds: float) -> bool:
        """Wait for so long; return whether anything has happened."""
        ready = self._poll.poll(seconds * 1000)
        for descriptor, _ in ready:
            self._poll.unregister(descriptor)
            sock, address = self.running.pop(descriptor)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code and not self.winner:
                self.winner = sock, address
                continue
            sock.close()
            if code:
                self._fail(code)
        return bool(ready)

    def close(self) -> None:
        """Give up all attempts but the one that has won."""
        for sock, _ in self.running.values():
            sock.close()

    def _fail(self, code: int) -> None:
        if self.failure not in EXHAUSTION:
            self.failure = code


def tune(sock: socket.socket) -> None:
    """Set the options of a connection: no delay for small pieces, a sign of life in silence."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, _KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)


def remaining_seconds(clock: Clock, until: float) -> float:
    """Return the seconds up to an instant.

    :raises TimeoutError: there are none.
    """
    seconds = until - clock.now()
    if seconds <= 0:
        raise TimeoutError("time is up")
    return seconds


def _interleave(addresses: Iterable[Address]) -> list[Address]:
    """Alternate between the families, as long as both have addresses."""
    by_family: dict[int, list[Address]] = {}
    for address in dict.fromkeys(addresses):
        by_family.setdefault(address.family, []).append(address)
    turns = itertools.zip_longest(*by_family.values())
    return [address for turn in turns for address in turn if address]
