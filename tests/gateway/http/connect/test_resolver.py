"""Looking names up: asked once for all who wait, and one that never answers costs no other name."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.clock import SystemClock
from gateway.errors import ConnectFailed, ConnectTimeout, OutOfResources
from gateway.http.connect.resolver import (
    CACHE_SECONDS,
    MAX_LOOK_UPS,
    Address,
    Resolver,
    system_addresses,
)
from tests.gateway.fakes import WAIT_SECONDS, FakeClock, comes_true


class Names:
    """A resolver of names: those that begin with ``slow`` have no answer until ``release`` is set."""

    def __init__(self) -> None:
        self.lookups: list[str] = []
        self.release = threading.Event()

    def __call__(self, host: str) -> list[Address]:
        self.lookups.append(host)
        if host.startswith("slow"):
            self.release.wait()
        if host.startswith("none"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [Address(socket.AF_INET, ("127.0.0.9", 0))]


def look_ups_running() -> int:
    return sum(thread.name == "postern-dns" for thread in threading.enumerate())


@pytest.fixture
def names() -> Iterator[Names]:
    resolvable = Names()
    yield resolvable
    resolvable.release.set()


def test_all_who_wait_for_a_name_share_one_look_up(names: Names) -> None:
    # Who comes late is answered from the cache, on this clock however late that is.
    resolver = Resolver(FakeClock(), names)
    with ThreadPoolExecutor(20) as pool:
        futures = [
            pool.submit(resolver.addresses, "slow.example", 80, WAIT_SECONDS) for _ in range(20)
        ]
        assert comes_true(lambda: names.lookups)
        names.release.set()
        answers = {answer.result()[0] for answer in futures}
    assert answers == {Address(socket.AF_INET, ("127.0.0.9", 80))}
    assert names.lookups == ["slow.example"]


def test_a_name_that_never_answers_costs_no_other_name(names: Names) -> None:
    resolver = Resolver(SystemClock(), names)
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(resolver.addresses, "slow.example", 80, 0.05) for _ in range(20)]
        assert resolver.addresses("fast.example", 80, WAIT_SECONDS)
        assert all(isinstance(answer.exception(), ConnectTimeout) for answer in waiting)


def test_look_ups_that_nobody_waits_for_do_not_pile_up(names: Names) -> None:
    resolver = Resolver(SystemClock(), names)
    before = look_ups_running()
    for _ in range(30):
        with pytest.raises(ConnectTimeout):
            resolver.addresses("slow.example", 80, 0.001)
    assert look_ups_running() <= before + 1
    assert names.lookups == ["slow.example"]


def test_beyond_the_cap_a_look_up_is_refused_as_ours_and_the_cause_is_named(names: Names) -> None:
    resolver = Resolver(SystemClock(), names)
    for number in range(MAX_LOOK_UPS):
        with pytest.raises(ConnectTimeout):
            resolver.addresses(f"slow{number}.example", 80, 0.0001)
    with pytest.raises(OutOfResources) as caught:
        resolver.addresses("fast.example", 80, WAIT_SECONDS)
    assert caught.value.detail == f"DNS: {MAX_LOOK_UPS} look-ups of other names have no answer yet"
    names.release.set()
    for host in ("slow0.example", "fast.example"):
        assert resolver.addresses(host, 80, WAIT_SECONDS)


def test_a_good_answer_serves_for_two_seconds_and_then_the_name_is_looked_up_anew(
    names: Names,
) -> None:
    clock = FakeClock()
    resolver = Resolver(clock, names)
    resolver.addresses("fast.example", 80, WAIT_SECONDS)
    clock.advance(CACHE_SECONDS - 0.1)
    resolver.addresses("fast.example", 443, WAIT_SECONDS)
    assert len(names.lookups) == 1
    clock.advance(0.2)
    resolver.addresses("fast.example", 80, WAIT_SECONDS)
    assert len(names.lookups) == 2


def test_a_name_that_is_not_known_is_asked_for_again_by_the_next_call(names: Names) -> None:
    resolver = Resolver(SystemClock(), names)
    for _ in range(2):
        with pytest.raises(ConnectFailed) as caught:
            resolver.addresses("none.example", 80, WAIT_SECONDS)
        assert caught.value.detail == "DNS: [Errno -2] Name or service not known"
    assert len(names.lookups) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "2606:4700::1111"])
def test_an_address_needs_no_look_up(names: Names, host: str) -> None:
    [address] = Resolver(SystemClock(), names).addresses(host, 80, WAIT_SECONDS)
    assert (address.host, address.sockaddr[1]) == (host, 80)
    assert names.lookups == []


def test_the_system_is_asked_where_nothing_else_is_said() -> None:
    addresses = Resolver(SystemClock()).addresses("localhost", 80, WAIT_SECONDS)
    assert {address.host for address in addresses} <= {"127.0.0.1", "::1"}
    assert [address.host for address in addresses] == [
        address.host for address in system_addresses("localhost")
    ]
