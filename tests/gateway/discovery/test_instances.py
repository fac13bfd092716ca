"""Services whose instances Consul or Nacos knows, over real sockets; the registries are the sandbox's stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from gateway.catalog.loader import CatalogError, load_catalog
from gateway.clock import SystemClock
from gateway.discovery import registries
from gateway.errors import AddressRefused, Failed, NoInstance
from gateway.http.discovered.instances import EXCLUSION_SECONDS, MAX_FAILURES, Instances
from gateway.streams import PassthroughRequest
from sandbox import Sandbox
from sandbox.vendors.registries.consul import Consul
from sandbox.vendors.registries.nacos import Nacos
from tests.gateway.fakes import FakeClock, Gate, Wire, comes_true, make_call, service
from tests.ports import free_port

Open = Callable[..., Gate]
METHODS = {
    "m": {"http": "GET /anything"},
    "add": {"http": "POST /anything", "params": {"a": {"type": "string"}}},
    "fault": {"http": "GET /status/{code}", "params": {"code": {"type": "integer"}}},
    "slow": {"http": "GET /delay/{seconds}", "params": {"seconds": {"type": "number"}}},
}


pytestmark = pytest.mark.usefixtures("registry_patience")


@pytest.fixture
def consul() -> Iterator[Consul]:
    with Consul(port=free_port()) as running:
        yield running


@pytest.fixture
def nacos() -> Iterator[Nacos]:
    with Nacos(port=free_port()) as running:
        yield running


@pytest.fixture
def boxes() -> Iterator[list[Sandbox]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Sandbox(port=free_port())) for _ in range(2)]


@pytest.fixture
def users(open_gate: Open, consul: Consul) -> Open:
    """The service ``s``, whose instances are those of ``users`` in Consul."""

    def make(base_url: str = "consul://users", **settings: Any) -> Gate:
        env = {"CONSUL_HTTP_ADDR": consul.address, **settings.pop("env", {})}
        options = {name: settings.pop(name) for name in ("clock", "jitter") if name in settings}
        settings = {"methods": METHODS, **settings}
        return open_gate({"s": service(base_url, **settings)}, env=env, **options)

    return make


def where(box: Sandbox) -> str:
    return box.url.removeprefix("http://")


def hosts(at: Gate, calls: int) -> list[str]:
    """Where each of these calls was answered."""
    return [at.ask("m")["headers"]["host"] for _ in range(calls)]


def test_calls_go_to_the_instances_in_turn_and_to_a_new_one_as_soon_as_consul_knows_it(
    users: Open, consul: Consul, boxes: list[Sandbox]
) -> None:
    first, second = map(where, boxes)
    consul.add_instance("users", first)
    consul.add_instance("other", "127.0.0.1:1")
    at = users()
    assert hosts(at, 3) == [first] * 3
    consul.add_instance("users", second)
    assert comes_true(lambda: at.gateway.instances(at.gateway.catalog.services["s"]) == (2, 0))
    assert sorted(hosts(at, 4)) == sorted([first, second] * 2)
    assert at.trace.attempts[-1].host in (first, second)
    consul.remove_instance(first)
    assert comes_true(lambda: at.gateway.instances(at.gateway.catalog.services["s"]) == (1, 0))
    assert hosts(at, 2) == [second] * 2
    assert {request.path for request in consul.requests} == {"/v1/health/service/users"}
    assert consul.requests[-1].first("index")  # held back until something changes


def test_tag_path_and_scheme_of_the_name_count(
    users: Open, consul: Consul, boxes: list[Sandbox]
) -> None:
    consul.add_instance("users", where(boxes[0]), tags=["blue"])
    consul.add_instance("users", where(boxes[1]), meta={"scheme": "https"})
    at = users("consul://users/anything?tag=blue", methods={"m": {"http": "GET /deep"}})
    assert at.ask("m")["headers"]["host"] == where(boxes[0])
    assert boxes[0].requests[-1].target == "/anything/deep"
    assert at.dry("m").base_url == f"{boxes[0].url}/anything"
    plain = users(methods={"m": {"http": "GET /deep"}})
    urls = {plain.dry("m").base_url for _ in range(2)}
    assert urls == {boxes[0].url, boxes[1].url.replace("http", "https")}


def test_an_instance_that_refuses_a_connection_costs_one_retry_and_is_left_out(
    users: Open, consul: Consul, boxes: list[Sandbox]
) -> None:
    alive, dead = boxes
    for box in boxes:
        consul.add_instance("users", where(box))
    retry = {"times": 1, "backoff": 0.001, "max_backoff": 0.002, "on": ["connect"]}
    at = users(retry=retry, clock=FakeClock())
    hosts(at, 2)
    dead.stop()
    for _ in range(6):
        assert at.ask("add", {"a": "x"})["headers"]["host"] == where(alive)
    posts = [request for request in alive.requests if request.verb == "POST"]
    assert len(posts) == 6  # a POST, too, goes to another: nothing of it was sent
    assert at.gateway.instances(at.gateway.catalog.services["s"]) == (1, 1)


@pytest.mark.parametrize("place", ["127.0.0.1:99999", "127.0.0.1:0", "no host/..:80"])
def test_an_instance_that_is_nowhere_is_not_called(
    users: Open, consul: Consul, boxes: list[Sandbox], place: str
) -> None:
    consul.add_instance("users", place)
    consul.add_instance("users", where(boxes[0]))
    at = users()
    assert hosts(at, 3) == [where(boxes[0])] * 3
    assert at.gateway.instances(at.gateway.catalog.services["s"]) == (1, 0)


def test_the_known_instances_serve_on_while_consul_is_away(
    users: Open, consul: Consul, boxes: list[Sandbox]
) -> None:
    consul.add_instance("users", where(boxes[0]))
    at = users()
    hosts(at, 1)
    consul.stop()
    assert comes_true(lambda: "consul cannot be asked" in str(at.log.events))
    assert hosts(at, 2) == [where(boxes[0])] * 2
    consul.add_instance("users", where(boxes[1]))
    consul.start()
    assert comes_true(lambda: at.gateway.instances(at.gateway.catalog.services["s"]) == (2, 0))


def test_no_instance_is_said_in_our_words_and_a_dry_run_has_the_name(
    users: Open, consul: Consul
) -> None:
    at = users()
    with pytest.raises(NoInstance) as caught:
        at.ask("m")
    assert (caught.value.code, caught.value.retryable) == (-1003, True)
    assert "no healthy instance" in caught.value.message
    assert at.dry("m").base_url == "consul://users"
    consul.stop()
    with pytest.raises(NoInstance):  # nor is there one where Consul never answered
        users().ask("m")


def test_a_private_instance_is_refused_unless_the_service_allows_it(
    users: Open, consul: Consul, boxes: list[Sandbox]
) -> None:
    consul.add_instance("users", where(boxes[0]))
    at = users(allow_private=False)
    assert "write allow_private: true" in at.gateway.catalog.notes[0].message
    with pytest.raises(AddressRefused):
        at.ask("m")


def test_a_token_is_fetched_from_an_instance_and_the_name_of_a_proxied_one_is_the_gates(
    users: Open, consul: Consul, boxes: list[Sandbox]
) -> None:
    consul.add_instance("users", where(boxes[0]))
    at = users(
        auth={
            "type": "app_secret",
            "app_id": "sandbox-app",
            "secret": "sandbox-secret",
            "token_url": "/cgi-bin/token",
        },
        health={"path": "/status/200", "interval": 1},
    )
    at.ask("m")
    assert [request.path for request in boxes[0].requests] == ["/cgi-bin/token", "/anything"]
    at.gateway.start()
    assert comes_true(lambda: at.gateway.health(at.gateway.catalog.services["s"]) == "up")


def test_the_token_for_consul_is_sent_and_never_logged(users: Open, boxes: list[Sandbox]) -> None:
    with Consul(port=free_port(), token="consul-secret-token") as guarded:
        guarded.add_instance("users", where(boxes[0]))
        env = {"CONSUL_HTTP_ADDR": f"http://{guarded.address}/"}
        with pytest.raises(NoInstance):
            users(env=env).ask("m")
        at = users(env={**env, "CONSUL_HTTP_TOKEN": "consul-secret-token"})
        assert hosts(at, 1) == [where(boxes[0])]
        assert "consul-secret-token" not in at.masker.mask_text("x consul-secret-token")


def test_the_catalogs_own_consul_is_asked_where_no_setting_names_one(
    open_gate: Open, consul: Consul, boxes: list[Sandbox]
) -> None:
    consul.add_instance("users", where(boxes[0]))
    env = {"CATALOG": f"consul://{consul.address}/postern/services.yaml"}
    at = open_gate({"s": service("consul://users", methods=METHODS)}, env=env)
    assert hosts(at, 1) == [where(boxes[0])]


def test_nacos_is_asked_every_few_seconds_for_those_that_are_healthy(
    open_gate: Open, nacos: Nacos, boxes: list[Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registries, "POLL_SECONDS", 0.05)
    nacos.add_instance("users", where(boxes[0]), group="tools")
    nacos.add_instance("users", "127.0.0.1:1", group="tools", healthy=False)
    nacos.add_instance("users", "127.0.0.1:2")
    at = open_gate(
        {"s": service("nacos://users?group=tools", methods=METHODS)},
        env={"NACOS_ADDR": nacos.address},
    )
    assert hosts(at, 2) == [where(boxes[0])] * 2
    nacos.add_instance("users", where(boxes[1]), group="tools")
    assert comes_true(lambda: at.gateway.instances(at.gateway.catalog.services["s"]) == (2, 0))
    nacos.remove_instance(where(boxes[0]))
    assert comes_true(lambda: at.gateway.instances(at.gateway.catalog.services["s"]) == (1, 0))


def test_nacos_is_logged_into(
    open_gate: Open, boxes: list[Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registries, "POLL_SECONDS", 0.05)
    with Nacos(port=free_port(), username="u", password="p-of-nacos") as nacos:
        nacos.add_instance("users", where(boxes[0]))
        at = open_gate(
            {"s": service("nacos://users", methods=METHODS)},
            env={
                "NACOS_ADDR": nacos.address,
                "NACOS_USERNAME": "u",
                "NACOS_PASSWORD": "p-of-nacos",
            },
        )
        assert hosts(at, 1) == [where(boxes[0])]
        nacos.revoke()
        assert comes_true(lambda: nacos.logins == 2)


def test_a_service_that_is_gone_is_asked_for_no_more(users: Open, consul: Consul) -> None:
    at = users()
    at.gateway.start()
    assert comes_true(lambda: len(consul.requests) > 1)
    at.gateway.swap(load_catalog("version: 1\nservices: {}\n", "x", {}))
    consul.wake()  # the query that it holds back ends, and nobody asks again
    assert comes_true(lambda: not consul.clients)


def make_instances(clock: Any, *urls: str) -> Instances:
    instances = Instances(clock, lambda: None)
    instances.replace(urls)
    return instances


def test_the_instance_with_the_least_calls_in_flight_is_picked() -> None:
    instances = make_instances(SystemClock(), "http://a", "http://b", "http://c")
    picks = [instances.begin(instances.pick()) for _ in range(3)]
    assert {instance.url for instance in picks if instance} == {"http://a", "http://b", "http://c"}
    assert picks[1]
    instances.end(picks[1])
    assert [instances.pick() for _ in range(2)] == [picks[1].url] * 2


def test_one_that_fails_call_after_call_is_left_out_for_longer_each_time_until_it_answers() -> None:
    clock = FakeClock()
    instances = make_instances(clock, "http://a", "http://b")
    bad = instances.begin("http://a")
    assert bad
    for seconds in (EXCLUSION_SECONDS, 2 * EXCLUSION_SECONDS):
        for _ in range(MAX_FAILURES):
            assert instances.count() == (2, 0)
            instances.judge(bad, None, 503)
        assert instances.count() == (1, 1)
        assert {instances.pick() for _ in range(3)} == {"http://b"}
        clock.advance(seconds + 0.1)
    instances.judge(bad, Failed(status=500))  # what an envelope says is not the instance's
    instances.judge(bad, None, 200)
    for _ in range(MAX_FAILURES):
        instances.judge(bad, None, 500)
    clock.advance(EXCLUSION_SECONDS + 0.1)
    assert instances.count() == (2, 0)


def test_where_all_are_left_out_one_is_asked_all_the_same() -> None:
    clock = FakeClock()
    instances = make_instances(clock, "http://a")
    only = instances.begin("http://a")
    assert only
    for _ in range(MAX_FAILURES):
        instances.judge(only, None, 503)
    assert instances.pick() == "http://a"


@pytest.mark.parametrize(
    ("base_url", "env", "message"),
    [
        ("consul://users", {}, "set CONSUL_HTTP_ADDR=http://127.0.0.1:8500"),
        ("nacos://users", {"CONSUL_HTTP_ADDR": "x:1"}, "set NACOS_ADDR=http://127.0.0.1:8848"),
        ("consul://users:8500", {"CONSUL_HTTP_ADDR": "x:1"}, "has no port; where consul itself is"),
        ("consul://users?tags=a", {"CONSUL_HTTP_ADDR": "x:1"}, "scheme, tag, dc or ns"),
        ("consul://users?scheme=ftp", {"CONSUL_HTTP_ADDR": "x:1"}, "one of: http, https"),
        ("consul://", {"CONSUL_HTTP_ADDR": "x:1"}, "must be consul://NAME"),
        ("nacos://{name}", {"NACOS_ADDR": "x:1"}, "must be nacos://NAME"),
    ],
)
def test_a_wrong_name_is_refused_with_what_to_write(
    base_url: str, env: dict[str, str], message: str
) -> None:
    text = f'version: 1\nservices:\n  s:\n    base_url: "{base_url}"\n    methods: {{}}\n'
    with pytest.raises(CatalogError, match="base_url") as caught:
        load_catalog(text, "services.yaml", env)
    assert message in str(caught.value)
    assert "line 4" in str(caught.value) or ":4" in str(caught.value)


def test_a_proxied_answers_own_address_becomes_the_gates_and_a_stream_counts_until_it_ends(
    users: Open, consul: Consul, boxes: list[Sandbox]
) -> None:
    with Wire([]) as server:
        where_it_is = server.url.removeprefix("http://")
        server.answers.append(
            b"HTTP/1.1 200 OK\r\nLocation: " + f"{server.url}/v1/next".encode() + b"\r\n"
            b"Content-Length: 10\r\n\r\nhalf "
        )
        consul.add_instance("users", where_it_is)
        at = users("consul://users/v1", proxy=True, methods={"m": {"http": "GET /x"}})
        gate_url = "http://gate.example/api/v1/proxy/s"
        inbound = PassthroughRequest(verb="GET", path="/y", gate_url=gate_url)
        stream = at.gateway.proxy(make_call("proxy", inbound=inbound))
        assert dict(stream.headers)["Location"] == f"{gate_url}/next"
        consul.add_instance("users", where(boxes[0]))
        assert comes_true(lambda: at.gateway.instances(at.gateway.catalog.services["s"]) == (2, 0))
        assert {at.dry().base_url for _ in range(4)} == {f"{boxes[0].url}/v1"}
        stream.close()
        assert {at.dry().base_url for _ in range(4)} == {f"{boxes[0].url}/v1", f"{server.url}/v1"}
