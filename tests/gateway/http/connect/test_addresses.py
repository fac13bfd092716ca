"""Several addresses of one name (RFC 8305): one that is dead or swallows everything costs a moment, not the call."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509

from gateway.clock import SystemClock
from gateway.errors import ConnectFailed, ConnectTimeout
from gateway.http.connect.connector import Connector
from gateway.http.connect.happy_eyeballs import KEEPALIVE_IDLE_SECONDS, STAGGER_SECONDS, Dialler
from gateway.http.connect.resolver import Address, Resolver
from sandbox import Sandbox
from tests.gateway.fakes import FakeClock, Gate, service
from tests.gateway.http.connect.test_gateway_tls import TlsWire, make_pem

Open = Callable[..., Gate]
CONNECT_SECONDS = 40.0
BUSY_SECONDS = 30.0  # a busy machine may take so long over what takes a quarter of a second; a timeout takes longer


def resolver(*hosts: str) -> Resolver:
    return Resolver(SystemClock(), lambda _: addresses(*hosts))


def addresses(*hosts: str) -> list[Address]:
    return [
        Address(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, 0)) for host in hosts
    ]


@pytest.fixture
def black_hole() -> Iterator[Callable[[str, int], None]]:
    """Makes an address that swallows what is sent to it: a listener whose queue is full."""
    with ExitStack() as stack:

        def make(host: str, port: int) -> None:
            listener = stack.enter_context(socket.create_server((host, port), backlog=0))
            for _ in range(3):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(listener.getsockname())

        yield make


@pytest.fixture
def connector(box: Sandbox) -> Callable[..., Connector]:
    def make(*hosts: str) -> Connector:
        origin = f"http://two.example:{box.port}"
        return Connector(origin, None, SystemClock(), resolver(*hosts), allow_private=True)

    return make


def connected(to: Connector) -> tuple[str, float]:
    """The address that a new connection is to, and the seconds it took."""
    began = time.monotonic()
    connection = to.connect(CONNECT_SECONDS)
    elapsed = time.monotonic() - began
    host = connection.sock.getpeername()[0]
    connection.close()
    return host, elapsed


def test_a_first_address_that_swallows_everything_costs_a_quarter_of_a_second(
    connector: Callable[..., Connector], black_hole: Callable[[str, int], None], box: Sandbox
) -> None:
    black_hole("127.0.0.2", box.port)
    host, elapsed = connected(connector("127.0.0.2", "127.0.0.1"))
    assert host == "127.0.0.1"
    assert STAGGER_SECONDS <= elapsed < BUSY_SECONDS


def test_an_address_that_worked_is_tried_first_by_the_next_connection(
    connector: Callable[..., Connector], black_hole: Callable[[str, int], None], box: Sandbox
) -> None:
    black_hole("127.0.0.2", box.port)
    to = connector("127.0.0.2", "127.0.0.1")
    connected(to)
    assert any(connected(to)[1] < STAGGER_SECONDS for _ in range(20))


def test_a_first_address_that_refuses_costs_nothing(connector: Callable[..., Connector]) -> None:
    host, elapsed = connected(connector("127.0.0.2", "127.0.0.3", "127.0.0.1"))
    assert host == "127.0.0.1"
    assert elapsed < BUSY_SECONDS


def test_a_call_to_a_name_with_a_dead_first_address_succeeds_at_the_first_attempt(
    open_gate: Open, black_hole: Callable[[str, int], None], box: Sandbox
) -> None:
    black_hole("127.0.0.2", box.port)
    url = f"http://two.example:{box.port}"
    settings = service(url, methods={"m": {"http": "POST /anything"}})
    at = open_gate({"s": settings}, resolver=resolver("127.0.0.2", "127.0.0.1"))
    assert at.ask()["path"] == "/anything"
    assert len(at.trace.attempts) == 1


def test_where_all_addresses_swallow_everything_the_connect_timeout_holds(
    connector: Callable[..., Connector], black_hole: Callable[[str, int], None], box: Sandbox
) -> None:
    black_hole("127.0.0.2", box.port)
    black_hole("127.0.0.3", box.port)
    to = connector("127.0.0.2", "127.0.0.3")
    with pytest.raises(ConnectTimeout):
        to.connect(0.4)


def test_where_all_addresses_refuse_the_failure_says_so(
    connector: Callable[..., Connector],
) -> None:
    to = connector("127.0.0.2", "127.0.0.3")
    with pytest.raises(ConnectFailed) as caught:
        to.connect(CONNECT_SECONDS)
    assert caught.value.detail == "ConnectionRefusedError: [Errno 111] Connection refused"


def test_families_take_turns_and_the_resolvers_order_stays_otherwise() -> None:
    order = addresses("::1", "::2", "::3", "127.0.0.1", "127.0.0.2")
    ordered = Dialler(FakeClock()).sort(order)
    assert [address.host for address in ordered] == ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"]


def test_an_address_that_did_not_serve_is_tried_last_for_five_minutes_only() -> None:
    clock = FakeClock()
    dialler = Dialler(clock)
    first, second = addresses("127.0.0.1", "127.0.0.2")
    dialler.demote(first)
    clock.advance(299)
    assert dialler.sort([first, second]) == [second, first]
    clock.advance(2)
    assert dialler.sort([first, second]) == [first, second]


def test_no_descriptor_of_a_beaten_address_stays_open(
    connector: Callable[..., Connector], black_hole: Callable[[str, int], None], box: Sandbox
) -> None:
    black_hole("127.0.0.2", box.port)
    to = connector("127.0.0.2", "127.0.0.3", "127.0.0.1")
    before = len(list(Path("/proc/self/fd").iterdir()))
    connection = to.connect(CONNECT_SECONDS)
    assert (
        len(list(Path("/proc/self/fd").iterdir())) <= before + 2
    )  # ours, and the sandbox's end of it
    connection.close()


def test_an_address_whose_certificate_is_anothers_is_passed_over(tmp_path: Path) -> None:
    good = make_pem(tmp_path / "good.pem", x509.DNSName("two.example"))
    other = make_pem(tmp_path / "other.pem", x509.DNSName("other.example"))
    context = ssl.create_default_context(cafile=good)
    with TlsWire(other) as first, TlsWire(good, at=("127.0.0.2", first.port)):
        names = resolver("127.0.0.1", "127.0.0.2")
        to = Connector(
            f"https://two.example:{first.port}",
            lambda: context,
            SystemClock(),
            names,
            allow_private=True,
        )
        assert [connected(to)[0], connected(to)[0]] == ["127.0.0.2", "127.0.0.2"]
        assert (first.connections, first.heard) == (1, [])


def test_every_connection_is_without_delay_and_gives_a_sign_of_life(
    connector: Callable[..., Connector],
) -> None:
    sock = connector("127.0.0.1").connect(CONNECT_SECONDS).sock
    with sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert (
            sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == KEEPALIVE_IDLE_SECONDS == 60
        )
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
