"""A catalog in Consul, over real sockets; the server is the sandbox's stand-in."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from gateway.clock import SystemClock
from gateway.masking import Masker
from gateway.sources import Missing, Source, SourceError, http, open_source
from sandbox.vendors.registries.consul import FIRST_INDEX, Consul
from tests.gateway.fakes import Wire, answer, comes_true
from tests.gateway.http.connect.test_gateway_tls import TlsWire, make_pem
from tests.ports import free_port

KEY = "config/postern/services.yaml"
RUNNING = threading.Event()
pytestmark = pytest.mark.usefixtures("registry_patience")


@pytest.fixture
def consul() -> Iterator[Consul]:
    with Consul(port=free_port()) as running:
        running.put(KEY, "one")
        yield running


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as running:
        yield running


def make_source(consul: Consul, query: str = "", **env: str) -> Source:
    return open_source(consul.url(KEY, query), env, SystemClock(), Masker())


def start_long_poll(consul: Consul, source: Source, pool: ThreadPoolExecutor) -> Future[str]:
    """The answer to a question that the server holds back."""
    before = len(consul.requests)
    long_poll = pool.submit(source.wait_for_text, RUNNING)
    assert comes_true(lambda: len(consul.requests) > before)
    assert not long_poll.done()
    return long_poll


def test_the_text_is_given_at_once_and_a_change_as_it_happens(
    consul: Consul, pool: ThreadPoolExecutor
) -> None:
    source = make_source(consul)
    assert (source.read(), source.wait_for_text(RUNNING)) == ("one", "one")
    long_poll = start_long_poll(consul, source, pool)
    consul.put(KEY, "two")
    assert long_poll.result(30) == "two"
    assert [request.first("index") for request in consul.requests] == ["", "", str(FIRST_INDEX + 1)]


def test_an_index_that_goes_backwards_starts_again(
    consul: Consul, pool: ThreadPoolExecutor
) -> None:
    source = make_source(consul)
    source.wait_for_text(RUNNING)
    long_poll = start_long_poll(consul, source, pool)
    consul.turn_back()
    consul.put("another key", "x")
    assert long_poll.result(30) == "one"
    consul.put(KEY, "two")
    assert source.wait_for_text(RUNNING) == "two"
    assert [request.first("index") for request in consul.requests] == ["", str(FIRST_INDEX + 1), ""]


@pytest.mark.parametrize("index", ["0", "-5", "many", "9" * 30, None])
def test_an_index_that_is_none_is_not_sent_back(index: str | None) -> None:
    headers = [] if index is None else [f"X-Consul-Index: {index}"]
    with Wire([answer(b"one", "200 OK", *headers)] * 2) as server:
        source = open_source(
            server.url.replace("http", "consul") + "/k", {}, SystemClock(), Masker()
        )
        assert [source.wait_for_text(RUNNING), source.wait_for_text(RUNNING)] == ["one", "one"]
        source.close()
    assert [b"index" in request for request in server.heard] == [False, False]


def test_a_missing_key_is_waited_for(consul: Consul, pool: ThreadPoolExecutor) -> None:
    consul.remove(KEY)
    source = make_source(consul)
    with pytest.raises(Missing, match=r"^consul has nothing under this name$"):
        source.wait_for_text(RUNNING)
    long_poll = start_long_poll(consul, source, pool)
    consul.put(KEY, "back")
    assert long_poll.result(30) == "back"


def test_an_error_is_said_and_the_next_question_is_not_held_back(consul: Consul) -> None:
    source = make_source(consul)
    source.wait_for_text(RUNNING)
    consul.faults.set("*", "status=500", 1)
    with pytest.raises(SourceError, match=r"^consul answered 500$"):
        source.wait_for_text(RUNNING)
    assert source.wait_for_text(RUNNING) == "one"


def test_a_server_that_is_away_is_said_without_its_address_but_for_the_log(consul: Consul) -> None:
    source = make_source(consul)
    consul.stop()
    with pytest.raises(SourceError, match=r"^consul cannot be asked$") as caught:
        source.read()
    assert "refused" in caught.value.detail


def test_an_empty_answer_is_an_empty_text(consul: Consul) -> None:
    consul.faults.set("*", "status=200;empty")
    assert make_source(consul).read() == ""


def test_a_server_that_hangs_is_given_up(consul: Consul, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.2)
    consul.faults.set("*", "hang")
    with pytest.raises(SourceError, match="cannot be asked"):
        make_source(consul).wait_for_text(RUNNING)


def test_closing_ends_a_question_that_is_held_back(
    consul: Consul, pool: ThreadPoolExecutor
) -> None:
    source = make_source(consul)
    source.wait_for_text(RUNNING)
    long_poll = start_long_poll(consul, source, pool)
    source.close()
    with pytest.raises(SourceError):
        long_poll.result(30)
    with pytest.raises(SourceError):
        source.wait_for_text(RUNNING)


@pytest.mark.parametrize(
    ("query", "env"), [("token=t-42-secret", {}), ("", {"CONSUL_HTTP_TOKEN": "t-42-secret"})]
)
def test_the_token_goes_as_consul_wants_it_and_is_masked(query: str, env: dict[str, str]) -> None:
    with Consul(port=free_port(), token="t-42-secret") as consul:
        consul.put(KEY, "one")
        masker = Masker()
        source = open_source(consul.url(KEY, query), env, SystemClock(), masker)
        assert source.read() == "one"
        assert consul.requests[0].headers["x-consul-token"] == "t-42-secret"
        assert "t-42-secret" not in consul.requests[0].target + source.name
        assert masker.mask_line(b"t-42-secret") == b"****"
        with pytest.raises(SourceError, match=r"^consul answered 403$"):
            make_source(consul, "token=other").read()


def test_data_centre_and_namespace_are_passed_on(consul: Consul) -> None:
    assert make_source(consul, "dc=fra1&ns=team").read() == "one"
    request = consul.requests[0]
    assert (request.first("dc"), request.first("ns")) == ("fra1", "team")


def test_over_tls_its_authority_may_be_ones_own(tmp_path: Path) -> None:
    pem = make_pem(tmp_path / "server.pem", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    with TlsWire(pem) as server:
        address = server.url.replace("https", "consul") + "/k"
        assert (
            open_source(f"{address}?ca={pem}", {}, SystemClock(), Masker()).read() == '{"tls":true}'
        )
        with pytest.raises(SourceError, match=r"^consul cannot be asked$"):
            open_source(f"{address}?tls=true", {}, SystemClock(), Masker()).read()
