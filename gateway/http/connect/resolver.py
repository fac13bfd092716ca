"""Names to addresses: one look-up runs for each name, shared by all who wait for it.

The system's ``getaddrinfo`` knows no timeout and cannot be cancelled. So each look-up has a thread
of its own: one that hangs costs its own name and one of MAX_LOOK_UPS threads, however many calls
come and go meanwhile.
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
#: A burst of connections asks once; shorter than any TTL that a failover counts on.
CACHE_SECONDS = 2.0


class Address(NamedTuple):
    """Where a socket connects to, as ``getaddrinfo`` gives it."""

    family: int
    sockaddr: tuple[Any, ...]

    @property
    def host(self) -> str:
        return str(self.sockaddr[0])


LookUp = Callable[[str], Sequence[Address]]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Addresses, or the kind of failure. It holds no exception, as many calls share it."""

    addresses: tuple[Address, ...] = ()
    failure: type[GatewayError] = ConnectFailed
    detail: str = ""


def system_addresses(host: str) -> list[Address]:
    """Return the addresses that the system has for a name, the best first (RFC 6724).

    :raises OSError: it has none, or cannot tell.
    :raises UnicodeError: not a possible host name.
    """
    entries = socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)
    return [Address(int(family), sockaddr) for family, _, _, _, sockaddr in entries]


class Resolver:
    """Safe under threads and greenlets; no lock is held while a name is looked up.

    :param look_up: returns the addresses of a name; their port means nothing.
    """

    def __init__(self, clock: Clock, look_up: LookUp = system_addresses) -> None:
        self._clock = clock
        self._look_up = look_up
        #: Addresses by name, with the instant up to which they are good.
        self._cache: dict[str, tuple[tuple[Address, ...], float]] = {}
        self._running: dict[str, Future[_Outcome]] = {}
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int, timeout: float) -> list[Address]:
        """Return the addresses of a name, or the one that the text itself is.

        :param timeout: seconds to wait; the look-up goes on for those who ask later.
        :raises ConnectTimeout: no answer in time.
        :raises ConnectFailed: there is no such name, or nobody to ask.
        :raises OutOfResources: no thread or descriptor is left to ask.
        """
        literal = _literal(host)
        addresses = (literal,) if literal else self._of_name(host, timeout)
        return [
            Address(family, (sockaddr[0], port, *sockaddr[2:])) for family, sockaddr in addresses
        ]

    def _of_name(self, host: str, timeout: float) -> tuple[Address, ...]:
        addresses, good_until = self._cache.get(host, ((), 0.0))
        if self._clock.now() < good_until:
            return addresses
        try:
            outcome = self._start_or_join(host).result(timeout)
        except FutureTimeout as error:
            raise ConnectTimeout(detail=f"DNS: no answer for {host}") from error
        if not outcome.addresses:
            raise outcome.failure(detail=f"DNS: {outcome.detail}")
        return outcome.addresses

    def _start_or_join(self, host: str) -> Future[_Outcome]:
        """Return the look-up of this name that runs, started now if there is none."""
        with self._lock:
            running = self._running.get(host)
            if running:
                return running
            if len(self._running) >= MAX_LOOK_UPS:
                raise OutOfResources(
                    detail=f"DNS: {MAX_LOOK_UPS} look-ups of other names have no answer yet"
                )
            future: Future[_Outcome] = Future()
            self._running[host] = future
        try:
            threading.Thread(
                target=self._run, args=(host, future), name="postern-dns", daemon=True
            ).start()
        except (RuntimeError, MemoryError) as error:
            self._finish(host, future, _Outcome(failure=OutOfResources, detail=str(error)))
        return future

    def _run(self, host: str, future: Future[_Outcome]) -> None:
        try:
            addresses = tuple(self._look_up(host))
            outcome = _Outcome(addresses, detail=f"no address for {host}")
        except Exception as error:  # noqa: BLE001  # whatever it is, the name may not stay running for ever
            outcome = _failure(error)
        self._finish(host, future, outcome)

    def _finish(self, host: str, future: Future[_Outcome], outcome: _Outcome) -> None:
        now = self._clock.now()
        with self._lock:
            del self._running[host]
            if outcome.addresses:
                self._cache = {name: entry for name, entry in self._cache.items() if now < entry[1]}
                self._cache[host] = outcome.addresses, now + CACHE_SECONDS
        future.set_result(outcome)


def _failure(error: Exception) -> _Outcome:
    if is_exhaustion(error):
        return _Outcome(failure=OutOfResources, detail=str(error))
    # Without a descriptor, the C library says that there is no such name.
    if isinstance(error, OSError) and out_of_descriptors():
        detail = f"no descriptor is left to ask with ({error})"
        return _Outcome(failure=OutOfResources, detail=detail)
    return _Outcome(detail=str(error))


def _literal(host: str) -> Address | None:
    """Return the address that a text is; None for a name, and for one with a scope (``%eth0``)."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return Address(socket.AF_INET, (host, 0))
    if "%" in host:
        return None
    return Address(socket.AF_INET6, (host, 0, 0, 0))
