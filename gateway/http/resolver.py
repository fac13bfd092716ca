"""Names to addresses: one look-up in flight for each name, shared by all who wait for it.

The system's ``getaddrinfo`` knows no timeout and cannot be cancelled. So each look-up has a thread of its own: one that
hangs costs its own name and one of MAX_LOOK_UPS threads, however many calls come and go meanwhile.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, NamedTuple

from gateway.clock import Clock
from gateway.errors import ConnectFailed, ConnectTimeout, GatewayError, OutOfResources
from gateway.system import is_exhaustion, out_of_descriptors

MAX_LOOK_UPS = 64  # names looked up at once in one process: threads, of which most do not run
CACHE_SECONDS = (
    2.0  # a burst of connections asks once; shorter than any TTL that a failover counts on
)


class Address(NamedTuple):
    """Where a socket connects to, as ``getaddrinfo`` gives it."""

    family: int
    sockaddr: tuple[Any, ...]

    @property
    def host(self) -> str:
        return str(self.sockaddr[0])


LookUp = Callable[[str], Sequence[Address]]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a look-up came to: addresses, or the kind of failure. It holds no exception, as many calls share it."""

    addresses: tuple[Address, ...] = ()
    failure: type[GatewayError] = ConnectFailed
    detail: str = ""


def system_addresses(host: str) -> list[Address]:
    """The addresses that the system knows for a name, in the order in which to try them (RFC 6724).

    :raises OSError: it knows none, or cannot tell.
    :raises UnicodeError: not a possible host name.
    """
    entries = socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)
    return [Address(int(family), sockaddr) for family, _, _, _, sockaddr in entries]


class Resolver:
    """Safe under threads and greenlets; no lock is held while a name is looked up.

    :param look_up: answers the addresses of a name; their port means nothing.
    """

    def __init__(self, clock: Clock, look_up: LookUp = system_addresses) -> None:
        self._clock = clock
        self._look_up = look_up
        self._known: dict[
            str, tuple[tuple[Address, ...], float]
        ] = {}  # with the instant up to which they are good
        self._under_way: dict[str, Future[_Answer]] = {}
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int, timeout: float) -> list[Address]:
        """The addresses of a name, or the one that the text itself is.

        :param timeout: seconds to wait; the look-up goes on for those who ask later.
        :raises ConnectTimeout: no answer in time.
        :raises ConnectFailed: there is no such name, or nobody to ask.
        :raises OutOfResources: no thread or descriptor is left to ask.
        """
        literal = _literal(host)
        found = (literal,) if literal else self._of_name(host, timeout)
        return [Address(family, (sockaddr[0], port, *sockaddr[2:])) for family, sockaddr in found]

    def _of_name(self, host: str, timeout: float) -> tuple[Address, ...]:
        addresses, good_until = self._known.get(host, ((), 0.0))
        if self._clock.now() < good_until:
            return addresses
        try:
            answer = self._joined(host).result(timeout)
        except FutureTimeout as error:
            raise ConnectTimeout(detail=f"DNS: no answer for {host}") from error
        if not answer.addresses:
            raise answer.failure(detail=f"DNS: {answer.detail}")
        return answer.addresses

    def _joined(self, host: str) -> Future[_Answer]:
        """The look-up of this name that is under way, begun now if there is none."""
        with self._lock:
            running = self._under_way.get(host)
            if running:
                return running
            if len(self._under_way) >= MAX_LOOK_UPS:
                raise OutOfResources(
                    detail=f"DNS: {MAX_LOOK_UPS} look-ups of other names have no answer yet"
                )
            mine: Future[_Answer] = Future()
            self._under_way[host] = mine
        try:
            threading.Thread(
                target=self._run, args=(host, mine), name="postern-dns", daemon=True
            ).start()
        except (RuntimeError, MemoryError) as error:
            self._end(host, mine, _Answer(failure=OutOfResources, detail=str(error)))
        return mine

    def _run(self, host: str, mine: Future[_Answer]) -> None:
        try:
            addresses = tuple(self._look_up(host))
            answer = _Answer(addresses, detail=f"no address for {host}")
        except Exception as error:  # noqa: BLE001  # whatever it is, the name may not stay under way for ever
            answer = _failure(error)
        self._end(host, mine, answer)

    def _end(self, host: str, mine: Future[_Answer], answer: _Answer) -> None:
        now = self._clock.now()
        with self._lock:
            del self._under_way[host]
            if answer.addresses:
                self._known = {name: entry for name, entry in self._known.items() if now < entry[1]}
                self._known[host] = answer.addresses, now + CACHE_SECONDS
        mine.set_result(answer)


def _failure(error: Exception) -> _Answer:
    if is_exhaustion(error):
        return _Answer(failure=OutOfResources, detail=str(error))
    if (
        isinstance(error, OSError) and out_of_descriptors()
    ):  # the C library then says that there is no such name
        return _Answer(
            failure=OutOfResources, detail=f"no descriptor is left to ask with ({error})"
        )
    return _Answer(detail=str(error))


def _literal(host: str) -> Address | None:
    """The address that a text is, if it needs no look-up; one with a scope such as ``%eth0`` does."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return Address(socket.AF_INET, (host, 0))
    return Address(socket.AF_INET6, (host, 0, 0, 0)) if "%" not in host else None
