"""The way out by a proxy: a real one, which wants a user and password."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gateway.catalog.egress_proxy import NoProxy, Proxy
from gateway.catalog.loader import CatalogError
from gateway.clock import SystemClock
from gateway.errors import AddressRefused, GatewayError, ProxyFailed, ProxyRefused
from gateway.http.connect.resolver import Address, Resolver
from gateway.http.outbound import Outbound
from gateway.streams import PassthroughRequest
from sandbox import Sandbox
from tests.gateway.fakes import Gate, Wire, comes_true, make_call, make_catalog, service
from tests.gateway.http.connect.test_gateway_tls import TlsWire, make_pem
from tests.gateway.tinyproxy import USER, Tinyproxy, TinyproxyError, program
from tests.ports import free_port

Open = Callable[..., Gate]
M = {"m": {"http": "GET /anything"}}
RETRY = {"times": 2, "backoff": 0.001}

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(
        os.environ.get("POSTERN_TEST_TINYPROXY") == "no", reason="POSTERN_TEST_TINYPROXY=no"
    ),
]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tinyproxy]:
    try:
        program()
    except TinyproxyError as error:
        pytest.fail(str(error), pytrace=False)
    with Tinyproxy(tmp_path_factory.mktemp("proxy")) as running:
        yield running


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pem(tmp_path_factory.mktemp("tls") / "server.pem", x509.DNSName("localhost"))


class NoNames(Resolver):
    """Knows no name at all, as in a company whose DNS is for the inside."""

    def __init__(self) -> None:
        super().__init__(SystemClock(), self._nothing)

    def _nothing(self, host: str) -> list[Address]:
        raise OSError(f"no such name: {host}")


def refused(at: Gate, **how: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        at.ask(**how)
    return caught.value


def why(at: Gate) -> str:
    return str(at.log.events[-1]["why"])


def test_https_goes_through_a_tunnel_to_a_name_that_only_the_proxy_knows(
    open_gate: Open, proxy: Tinyproxy, pem: Path
) -> None:
    with TlsWire(pem) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        settings = {"tls": {"ca": str(pem)}, "egress_proxy": proxy.url, "methods": M}
        at = open_gate({"s": service(url, **settings)}, resolver=NoNames())
        assert [at.ask(), at.ask()] == [{"tls": True}, {"tls": True}]
        assert server.connections == 1, "the tunnel is kept"
        assert f"CONNECT {url.removeprefix('https://')} HTTP/1.1" in proxy.log
        assert b"proxy-auth" not in b"".join(server.heard).lower()


def test_http_is_asked_for_in_absolute_form_and_the_password_stays_at_the_proxy(
    open_gate: Open, box: Sandbox, proxy: Tinyproxy
) -> None:
    at = open_gate(
        {"s": service(f"http://localhost:{box.port}", egress_proxy=proxy.url, methods=M)},
        resolver=NoNames(),
    )
    for _ in range(20):
        at.ask()
    for request in box.requests:
        assert "tinyproxy" in request.headers["via"]
        assert "proxy-authorization" not in request.headers
    assert request.headers["host"] == f"localhost:{box.port}"
    assert f"GET http://localhost:{box.port}/anything HTTP/1.1" in proxy.log


def test_tokens_probes_streams_and_proxied_requests_go_the_same_way(
    open_gate: Open, box: Sandbox, proxy: Tinyproxy
) -> None:
    auth = {
        "type": "app_secret",
        "app_id": "sandbox-app",
        "secret": "sandbox-secret",
        "token_url": "/cgi-bin/token",
    }
    methods = {
        "m": {"http": "GET /anything"},
        "s": {"http": "GET /anything/stream", "stream": True},
    }
    settings = {
        "auth": auth,
        "methods": methods,
        "proxy": True,
        # Where the proxy stands still, many probes have no answer in the time that each of them has.
        "health": {"path": "/v1/health", "interval": 0.2, "unhealthy_after": 10_000},
    }
    outbound = Outbound(proxy=Proxy.read(proxy.url))
    at = open_gate({"s": service(box.url, **settings)}, outbound=outbound)
    at.gateway.start()
    at.ask()
    for stream in (
        at.gateway.call(make_call("s", inbound=PassthroughRequest())).data,
        at.gateway.proxy(
            make_call("proxy", inbound=PassthroughRequest(verb="GET", path="/anything/proxied"))
        ),
    ):
        assert b"".join(stream)
        stream.close()
    paths = {"/cgi-bin/token", "/anything", "/anything/stream", "/anything/proxied", "/v1/health"}
    assert comes_true(lambda: paths <= {request.path for request in box.requests})
    assert all("tinyproxy" in request.headers["via"] for request in box.requests)


@pytest.mark.parametrize(
    ("scheme", "proof"), [("http", ""), ("https", ""), ("https", f"{USER}:not-the-password@")]
)
def test_a_password_that_is_missing_or_wrong_is_said_and_nothing_is_sent_nor_tried_again(
    open_gate: Open, box: Sandbox, proxy: Tinyproxy, scheme: str, proof: str
) -> None:
    url = f"http://{proof}127.0.0.1:{proxy.port}"
    at = open_gate(
        {"s": service(f"{scheme}://127.0.0.1:{box.port}", egress_proxy=url, retry=RETRY, methods=M)}
    )
    error = refused(at)
    assert (type(error), error.code, error.not_executed) == (ProxyRefused, -1003, True)
    assert error.message.startswith(
        "The egress proxy refused the call; nothing was sent to the service."
    )
    assert why(at).startswith(f"egress proxy 127.0.0.1:{proxy.port}: answered 40")
    assert why(at).endswith("it wants a user and password, or others than these")
    assert len(at.trace.attempts) == 1
    assert (box.connections, b"not-the-password" in at.log.rendered(at.masker)) == (0, False)


def test_a_way_that_the_proxys_rules_forbid_is_said(
    open_gate: Open, box: Sandbox, tmp_path: Path
) -> None:
    with Tinyproxy(tmp_path, "ConnectPort 443") as strict:
        at = open_gate(
            {"s": service(f"https://127.0.0.1:{box.port}", egress_proxy=strict.url, methods=M)}
        )
        assert type(refused(at)) is ProxyRefused
        assert "answered 403: its rules forbid it" in why(at)
    assert box.connections == 0


def test_a_proxy_that_cannot_reach_the_service_is_away_or_silent_is_said(
    open_gate: Open, proxy: Tinyproxy, tmp_path: Path
) -> None:
    dead = free_port()
    at = open_gate({"s": service(f"https://127.0.0.1:{dead}", egress_proxy=proxy.url, methods=M)})
    assert type(refused(at)) is ProxyFailed
    assert f"egress proxy 127.0.0.1:{proxy.port}: answered 5" in why(at)

    at = open_gate(
        {"s": service("https://api.example", egress_proxy=f"http://127.0.0.1:{dead}", methods=M)}
    )
    assert (type(error := refused(at)), error.code) == (ProxyFailed, -1003)
    assert why(at).startswith(f"egress proxy 127.0.0.1:{dead}: ConnectionRefusedError")

    at = open_gate(
        {"s": service("https://api.example", egress_proxy="http://proxy.example:1", methods=M)},
        resolver=NoNames(),
    )
    assert type(refused(at)) is ProxyFailed
    assert why(at).startswith("egress proxy proxy.example:1: DNS: ")

    for reply, say in (
        (b"", "no answer to CONNECT"),
        (b"SSH-2.0-x\r\n\r\n", "is not HTTP"),
        (b"HTTP/1.1 200 " + b"x" * 20000, "too long"),
    ):
        with Wire([reply] if reply else [], greeting=reply) as server:
            timeout = {"connect": 20 if reply else 2}
            settings = {"egress_proxy": server.url, "timeout": timeout, "methods": M}
            at = open_gate({"s": service("https://api.example", **settings)})
            assert type(refused(at)) is ProxyFailed
            assert say in why(at)


def test_what_is_written_as_a_private_address_stays_refused_behind_a_proxy(
    open_gate: Open, proxy: Tinyproxy
) -> None:
    before = proxy.log
    for host in (
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "10.0.0.7",
        "a.localhost",
        "169.254.169.254",
    ):
        url = f"https://{host}:8443"
        at = open_gate({"s": service(url, allow_private=False, egress_proxy=proxy.url, methods=M)})
        assert type(refused(at)) is AddressRefused, host
    assert "CONNECT" not in proxy.log.removeprefix(before)


def test_a_service_that_says_none_and_hosts_that_need_none_go_directly(
    open_gate: Open, box: Sandbox, proxy: Tinyproxy
) -> None:
    for settings, exempt, by_proxy in (
        ({}, "", True),
        ({"egress_proxy": "none"}, "", False),
        ({}, "10.0.0.0/8, 127.0.0.0/8", False),
        ({"egress_proxy": proxy.url}, "*", False),
    ):
        outbound = Outbound(proxy=Proxy.read(proxy.url), no_proxy=NoProxy(exempt))
        open_gate({"s": service(box.url, methods=M, **settings)}, outbound=outbound).ask()
        assert ("via" in box.requests[-1].headers) is by_proxy


def test_a_reload_that_names_a_proxy_ends_the_use_of_connections_that_go_directly(
    open_gate: Open, box: Sandbox, proxy: Tinyproxy
) -> None:
    at = open_gate({"s": service(box.url, methods=M)})
    at.ask()
    at.gateway.swap(make_catalog({"s": service(box.url, egress_proxy=proxy.url, methods=M)}))
    at.ask()
    assert ["via" in request.headers for request in box.requests] == [False, True]


@pytest.mark.parametrize(
    ("text", "host", "port", "direct"),
    [
        ("example.com", "example.com", 443, True), ("example.com", "api.example.com", 443, True),
        ("example.com", "notexample.com", 443, False), (".example.com", "api.example.com", 443, True),
        (".example.com", "example.com", 443, True), ("EXAMPLE.com.", "Api.Example.COM.", 443, True),
        ("a.b, example.com", "example.com", 80, True), ("a.b example.com", "example.com", 80, True), ("*", "any.host", 1, True),
        ("example.com:8080", "example.com", 8080, True), ("example.com:8080", "example.com", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 443, True), ("10.0.0.0/8", "11.1.2.3", 443, False), ("10.0.0.0/8", "ten.example", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True), ("10.1.2.3:81", "10.1.2.3", 80, False), ("fd00::/8", "fd00::1", 443, True),
        ("[fd00::1]:443", "fd00::1", 443, True), ("::1", "::1", 443, True), ("", "example.com", 443, False), (".", "example.com", 1, False),
    ],
)  # fmt: skip
def test_hosts_that_need_no_proxy_are_written_as_curl_reads_them(
    text: str, host: str, port: int, direct: bool
) -> None:
    assert ((host, port) in NoProxy(text)) is direct


@pytest.mark.parametrize(
    "url",
    ["proxy:3128", "http://proxy", "https://proxy:3128", "http://u:hunter2@proxy", "http://u:hun@ter2@proxy:1", "socks5://hunter2:1",
     "http://u:hunter2@proxy:99999", "http://proxy:3128/hunter2", "http://pro xy:1", "None"],
)  # fmt: skip
def test_a_proxy_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(CatalogError, match=r"egress_proxy: must be http://HOST:PORT") as caught:
        make_catalog({"s": service("http://a.example", egress_proxy=url)})
    assert "hunter2" not in str(caught.value)


def test_the_password_is_a_secret_however_it_is_written() -> None:
    catalog = make_catalog(
        {"s": service("http://a.example", egress_proxy="http://ann:pass%2Fword%20x@proxy:3128")}
    )
    proxy = catalog.services["s"].egress_proxy
    assert {"pass%2Fword%20x", "pass/word x"} <= {secret.reveal() for secret in catalog.secrets}
    assert (
        proxy
        and proxy.authorization
        and proxy.authorization.reveal() == "Basic YW5uOnBhc3Mvd29yZCB4"
    )
    assert "pass" not in repr(catalog.services["s"])
