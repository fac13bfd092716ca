"""Where a call may go: to declared services, on the internet unless the catalog says otherwise, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.catalog.address_ranges import is_private
from gateway.clock import SystemClock
from gateway.errors import AddressRefused, ConnectFailed, GatewayError, InvalidParams
from gateway.http.connect.resolver import Address, Resolver, system_addresses
from sandbox import Sandbox
from tests.gateway.fakes import Gate, make_catalog, service

Open = Callable[..., Gate]
M = {"m": {"http": "GET /anything"}}


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.0.9", "::1",
        "0.0.0.0", "0.1.2.3", "::",
        "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd00:ec2::254", "fec0::1",
        "169.254.169.254", "fe80::1", "fe80::1%eth0",
        "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16",
        "224.0.0.1", "239.255.255.250", "ff02::1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
        "192.0.0.9", "192.88.99.1", "198.51.100.7", "203.0.113.7", "3fff::1", "3fff:fff:ffff::1", "5f00::1", "100::1",
        "100:0:0:1::1", "2001:1::1", "2001:2::1", "2001:20::1", "2001:30::1", "2002:c058:6301::1", "64:ff9b:1::808:808",
        "::ffff:0:808:808", "4000::1", "fd20:ce::254", "ff0e::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_the_internets_is_private(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "169.253.1.1", "2606:4700::1111", "2a00:1450:4001::1",
     "192.0.1.1", "192.88.98.1", "192.88.100.1", "198.20.0.1", "223.255.255.255", "2001:200::1", "2001:db9::1",
     "3fff:1000::1", "192.31.196.1", "2620:4f:8000::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)  # fmt: skip
def test_a_public_address_is_not_private(address: str) -> None:
    assert not is_private(address)


def refused(at: Gate) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        at.ask()
    return caught.value


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_a_private_address_is_refused_and_nothing_is_sent(
    open_gate: Open, box: Sandbox, host: str
) -> None:
    url = f"http://{host}:{box.port}"
    at = open_gate(
        {"s": service(url, allow_private=False, retry={"times": 2, "backoff": 0.001}, methods=M)}
    )
    error = refused(at)
    assert (type(error), error.code, error.type) == (
        AddressRefused,
        -1003,
        "downstream_unreachable",
    )
    assert (box.connections, len(at.trace.attempts)) == (0, 1)


def test_the_log_says_why_and_the_answer_does_not(open_gate: Open, box: Sandbox) -> None:
    at = open_gate({"s": service(box.url, allow_private=False, methods=M)})
    error = refused(at)
    assert "127.0.0.1" not in error.message
    [line] = at.log.events
    assert (
        line["why"] == "127.0.0.1 is no public address, and the service does not say allow_private"
    )
    assert (
        error.message
        == "The catalog does not allow this service a private address; nothing was sent."
        " Its admin may write allow_private: true."
    )
    [note] = at.gateway.catalog.notes
    say = "is no public address, so every call is refused; write allow_private: true if it is meant"
    assert str(note) == f"services.s: 127.0.0.1 {say}"


@pytest.mark.parametrize(
    ("url", "noted"),
    [("http://localhost:8080", True), ("http://10.0.0.7", True), ("http://[::1]:1", True), ("http://127.1", True),
     ("https://api.example.com", False), ("https://8.8.8.8", False), ("https://db.internal", False)],
)  # fmt: skip
def test_the_catalog_notes_a_private_address_that_the_service_may_not_have(
    url: str, noted: bool
) -> None:
    assert bool(make_catalog({"s": service(url, allow_private=False, methods=M)}).notes) is noted
    assert not make_catalog({"s": service(url, allow_private=True, methods=M)}).notes


def test_a_service_that_says_so_may_be_private(open_gate: Open, box: Sandbox) -> None:
    assert (
        open_gate({"s": service(box.url, allow_private=True, methods=M)}).ask()["path"]
        == "/anything"
    )


def test_a_reload_that_forbids_it_ends_the_use_of_connections_that_are_open(
    open_gate: Open, box: Sandbox
) -> None:
    at = open_gate({"s": service(box.url, methods=M)})
    at.ask()
    other = open_gate({"s": service(box.url, allow_private=False, methods=M)})
    at.gateway.swap(other.gateway.catalog)
    assert type(refused(at)) is AddressRefused
    assert len(box.requests) == 1


class Names:
    """A resolver's answers: the nth look-up of any name gets the nth list of addresses."""

    def __init__(self, *answers: list[str]) -> None:
        self.lookups: list[str] = []
        self._answers = list(answers)

    def __call__(self, host: str) -> list[Address]:
        self.lookups.append(host)
        return [address for text in self._answers.pop(0) for address in system_addresses(text)]


def test_a_name_is_looked_up_once_for_check_and_connection(open_gate: Open, box: Sandbox) -> None:
    names = Names(["127.0.0.1"])
    resolver = Resolver(SystemClock(), names)
    at = open_gate({"s": service(f"http://api.example:{box.port}", methods=M)}, resolver=resolver)
    assert at.ask()["headers"]["host"] == f"api.example:{box.port}"
    assert names.lookups == ["api.example"]


@pytest.mark.parametrize(
    ("addresses", "refused_by_check"),
    [(["127.0.0.1", "::ffff:0:0", "192.0.0.1"], True), (["127.0.0.1", "2606:4700::1"], False)],
)
def test_of_several_addresses_only_the_public_ones_are_tried(
    open_gate: Open, box: Sandbox, addresses: list[str], refused_by_check: bool
) -> None:
    resolver = Resolver(SystemClock(), Names(addresses))
    url = f"http://api.example:{box.port}"
    at = open_gate({"s": service(url, allow_private=False, methods=M)}, resolver=resolver)
    error = refused(at)
    assert isinstance(error, ConnectFailed)
    assert (type(error) is AddressRefused) == refused_by_check
    assert box.connections == 0


def test_a_redirect_is_not_followed(gate: Open, box: Sandbox) -> None:
    at = gate("GET /redirect", params={"to": {"type": "string"}})
    with pytest.raises(GatewayError) as caught:
        at.ask("m", {"to": f"{box.url}/anything"})
    assert caught.value.code == -1005
    assert [request.path for request in box.requests] == ["/redirect"]


@pytest.mark.parametrize(
    "segment",
    ["..admin", "a..%2fadmin", "a/b", "a\\admin", "a?x=1", "a#b", "a%2e%2e", "a;b", "\x00"],
)
def test_a_path_parameter_stays_one_segment(gate: Open, box: Sandbox, segment: str) -> None:
    at = gate("GET /anything/{id}/end", params={"id": {"type": "string"}})
    target = at.dry("m", {"id": segment}).target
    assert target.count("/") == 3 and target.startswith("/anything/") and target.endswith("/end")
    assert at.ask("m", {"id": segment})["path"] == f"/anything/{segment}/end"


@pytest.mark.parametrize(
    "segment",
    [
        "",
        ".",
        "..",
        "../admin",
        "..%2fadmin",
        "..\\admin",
        "a/../b",
        "%2e%2e",
        "%252e%252e/x",
        "..;/x",
    ],
)
def test_a_path_parameter_cannot_climb(gate: Open, box: Sandbox, segment: str) -> None:
    with pytest.raises(InvalidParams):
        gate("GET /anything/{id}/end", params={"id": {"type": "string"}}).ask("m", {"id": segment})
    assert box.requests == []
