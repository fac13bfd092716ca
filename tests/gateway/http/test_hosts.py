"""Hosts that callers choose: those that the catalog means, and no other; what belongs to one stays with it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from gateway import runtime
from gateway.catalog.hosts import service_at
from gateway.catalog.loader import CatalogError, load_catalog
from gateway.clock import SystemClock
from gateway.errors import CircuitOpen, ConnectFailed, InvalidParams
from gateway.exchange import base_urls
from gateway.http.connect.happy_eyeballs import Address
from gateway.http.connect.resolver import Resolver
from sandbox import Sandbox
from tests.gateway.fakes import WECHAT, Gate, comes_true, make_catalog, service

Open = Callable[..., Gate]
SHOP = {"shop": {"type": "string", "pattern": "[a-z0-9-]+"}}
METHODS = {
    "m": {"http": "GET /anything", "params": {"q": {"type": "string"}}},
    "add": {"http": "POST /anything", "params": {"a": {"type": "string"}}},
    "fault": {"http": "GET /status/{code}", "params": {"code": {"type": "integer"}}},
}


class Names:
    """Every name is this machine, but those that are away."""

    def __init__(self) -> None:
        self.lookups: list[str] = []

    def __call__(self, host: str) -> list[Address]:
        self.lookups.append(host)
        if host.startswith("away"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [Address(socket.AF_INET, ("127.0.0.1", 0))]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def shops(open_gate: Open, box: Sandbox, names: Names) -> Open:
    """A service whose shop each call says."""

    def make(base_url: str = "", params: Any = SHOP, **settings: Any) -> Gate:
        url = base_url or f"http://{{shop}}.shops.example:{box.port}"
        settings = {"methods": METHODS, "params": params, **settings}
        return open_gate({"s": service(url, **settings)}, resolver=Resolver(SystemClock(), names))

    return make


def test_a_call_goes_to_the_host_that_it_says(shops: Open, box: Sandbox) -> None:
    at = shops()
    for shop in ("tea", "coffee", "tea"):
        answer = at.ask("m", {"shop": shop, "q": "x"})
        assert answer["headers"]["host"] == f"{shop}.shops.example:{box.port}"
        assert box.requests[-1].target == "/anything?q=x"
    assert at.trace.attempts[-1].host == f"tea.shops.example:{box.port}"
    assert box.connections == 2  # each host keeps its own


@pytest.mark.parametrize(
    "value",
    [
        "evil.example/", "a.b", "tea/", "tea/..", "tea@evil", "tea:80", "tea%2e", "tea%2Fx", "tea#", "tea?x", "tea\\", "",
        ".", "-tea", "tea-", "tea\n", "tea ", " tea", "täa", "a" * 64, "tea\r\nX: y", "[::1]", "xn--\u00e4",
    ],
)  # fmt: skip
def test_what_is_no_plain_label_reaches_nobody_whatever_the_pattern_says(
    shops: Open, box: Sandbox, names: Names, value: str
) -> None:
    at = shops(params={"shop": {"type": "string", "pattern": "(?s:.*)"}})
    with pytest.raises(InvalidParams) as caught:
        at.ask("m", {"shop": value})
    assert caught.value.fields == {"shop": ["Not usable in a host's name."]}
    assert (names.lookups, box.requests) == ([], [])


@pytest.mark.parametrize("value", ["Tea", "tea_", "tea.evil", "teaX", "X-tea", "tea\n"])
def test_a_pattern_must_match_all_of_a_value(shops: Open, names: Names, value: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        shops().ask("m", {"shop": value})
    assert list(caught.value.fields or ()) == ["shop"]
    assert names.lookups == []


def test_a_host_must_be_said_unless_it_has_a_default(shops: Open, box: Sandbox) -> None:
    with pytest.raises(InvalidParams) as caught:
        shops().ask("m", {})
    assert caught.value.fields == {"shop": ["Missing data for required field."]}
    shops(params={"shop": {**SHOP["shop"], "default": "tea"}}).ask("m", {})
    assert box.requests[-1].headers["host"] == f"tea.shops.example:{box.port}"


def test_a_list_may_name_several_labels(shops: Open, box: Sandbox) -> None:
    sites = {"site": {"type": "string", "enum": ["dog.example", "us3.dog.example"]}}
    at = shops(f"http://api.{{site}}:{box.port}/anything/{{site}}", params=sites)
    at.ask("m", {"site": "us3.dog.example"})
    assert box.requests[-1].headers["host"] == f"api.us3.dog.example:{box.port}"
    assert box.requests[-1].target == "/anything/us3.dog.example/anything"
    with pytest.raises(InvalidParams):
        at.ask("m", {"site": "cat.example"})


def test_hosts_are_the_same_in_any_case(shops: Open, box: Sandbox) -> None:
    at = shops(params={"shop": {"type": "string", "pattern": "[A-Za-z]+"}})
    at.ask("m", {"shop": "Tea"})
    at.ask("m", {"shop": "tEA"})
    assert box.requests[-1].headers["host"] == f"tea.shops.example:{box.port}"
    assert box.connections == 1


def test_a_host_that_is_away_closes_no_other(shops: Open) -> None:
    at = shops(breaker={"min_calls": 2, "failure_rate": 0.5, "open_for": 60})
    for _ in range(2):
        with pytest.raises(ConnectFailed):
            at.ask("m", {"shop": "away"})
    with pytest.raises(CircuitOpen):
        at.ask("m", {"shop": "away"})
    assert at.ask("m", {"shop": "tea"})["path"] == "/anything"
    assert at.breaker == "open"


def test_a_token_of_one_host_is_never_sent_to_another(shops: Open, box: Sandbox) -> None:
    at = shops(auth=WECHAT["auth"])
    for shop in ("tea", "coffee", "tea"):
        at.ask("m", {"shop": shop})
    tokens = {}
    for request in box.requests:
        if request.path == "/anything":
            tokens.setdefault(request.headers["host"], set()).add(request.query["access_token"][0])
    fetched = [request.headers["host"] for request in box.requests if "token" in request.path]
    assert sorted(fetched) == sorted(tokens)
    assert [len(values) for values in tokens.values()] == [1, 1]
    assert len(set.union(*tokens.values())) == 2


def test_a_signers_region_is_the_hosts(shops: Open, box: Sandbox) -> None:
    auth = {
        "type": "aws_sigv4",
        "access_key_id": "AKID",
        "secret_access_key": "s",
        "region": "{region}",
        "service": "sqs",
    }
    regions = {"region": {"type": "string", "enum": ["eu-west-1", "us-east-1"]}}
    at = shops(f"http://sqs.{{region}}.aws.example:{box.port}", params=regions, auth=auth)
    at.ask("m", {"region": "us-east-1"})
    assert "/us-east-1/sqs/aws4_request" in box.requests[-1].headers["authorization"]
    assert "/us-east-1/" in at.dry("m", {"region": "us-east-1"}).headers["Authorization"]


def test_a_dry_run_shows_the_host(shops: Open) -> None:
    request = shops("https://{shop}.shops.example/admin").dry("m", {"shop": "tea"})
    assert request.url == "https://tea.shops.example/admin/anything"


def test_only_so_many_hosts_are_kept(
    shops: Open, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_urls, "MAX_HOSTS", 3)
    monkeypatch.setattr(runtime, "MAX_PLACES", 3)
    at = shops()
    for number in range(12):
        at.ask("m", {"shop": f"s{number}"})
    assert comes_true(lambda: box.open_connections <= 3)
    assert len(at.gateway._runtime.circuits._items) <= 4
    at.ask("m", {"shop": "s0"})


def test_a_reload_goes_on(shops: Open, box: Sandbox) -> None:
    at = shops()
    at.ask("m", {"shop": "tea"})
    at.gateway.swap(shops().gateway.catalog)
    assert at.ask("add", {"shop": "tea", "a": "b"})["json"] == {"a": "b"}


def test_answers_are_kept_by_host(shops: Open, box: Sandbox) -> None:
    methods = {"m": {"http": "GET /anything", "cache": {"ttl": 60}}}
    at = shops(methods=methods)
    for shop in ("tea", "coffee"):
        assert at.ask("m", {"shop": shop})["headers"]["host"].startswith(shop)
    assert len(box.requests) == 2


S = "services.s"


OWN_DOMAIN = (
    "a host that callers choose by a pattern must end in a domain of two names or more, as"
    " https://{shop}.example.com does; otherwise list the hosts: enum"
)


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        ({"params": {}}, f"{S}.base_url",
         "it has {shop}, which must be declared; write beside it params: {shop: {type: string, pattern: ...}}"),
        ({"params": {**SHOP, "x": SHOP["shop"]}}, f"{S}.params.x", "base_url has no {x}"),
        ({"params": {"shop": {"type": "string"}}}, f"{S}.params.shop",
         "needs a pattern or an enum: which hosts may be called"),
        ({"params": {"shop": {"type": "integer", "enum": ["1"]}}}, f"{S}.params.shop.type", "must be one of: string"),
        ({"params": {"shop": {"type": "string", "pattern": "("}}}, f"{S}.params.shop.pattern",
         "not a regular expression: missing ), unterminated subpattern at position 0"),
        ({"params": {"shop": {"type": "string", "enum": ["a/b"]}}}, f"{S}.params.shop.enum.0",
         "must be letters, digits and hyphens, as between the dots of a host's name"),
        ({"params": {"shop": {**SHOP["shop"], "default": "A"}}}, f"{S}.params.shop.default",
         "is not a value that is allowed here"),
        ({"proxy": True}, f"{S}.proxy", "a proxied request does not say which host; write one service for each"),
        ({"health": {"path": "/h"}}, f"{S}.health", "a probe does not know which host; drop it"),
        ({"methods": {"m": {"http": "GET /a", "params": {"shop": {"type": "string"}}}}}, f"{S}.methods.m.params.shop",
         "is the service's own, of its base_url; drop it here"),
        ({"methods": {"m": {"http": "GET /{shop}"}}}, f"{S}.methods.m.http", "{shop} is of base_url; name it otherwise"),
        ({"base_url": "https://{shop.example.com"}, f"{S}.base_url",
         "must be an http(s) URL without user, query or fragment, such as https://api.example.com"),
        ({"base_url": "https://{shop}"}, f"{S}.base_url", OWN_DOMAIN),
        ({"base_url": "https://{shop}:8443/a.b.c"}, f"{S}.base_url", OWN_DOMAIN),
        ({"base_url": "https://x{shop}"}, f"{S}.base_url", OWN_DOMAIN),
        ({"base_url": "https://api.{shop}.com"}, f"{S}.base_url", OWN_DOMAIN),
        ({"base_url": "https://a@{shop}.example.com"}, f"{S}.base_url",
         "must be an http(s) URL without user, query or fragment, such as https://api.example.com"),
    ],
)  # fmt: skip
def test_a_host_that_is_not_declared_well_is_refused(
    settings: dict[str, Any], key: str, message: str
) -> None:
    declared = {"base_url": "https://{shop}.example.com", "params": SHOP, **settings}
    with pytest.raises(CatalogError) as caught:
        make_catalog({"s": declared})
    assert (key, message) in [(path, text) for _, _, path, text in caught.value.problems]


def test_a_whole_host_may_be_one_of_a_list() -> None:
    hosts = {"shop": {"type": "string", "enum": ["tea.example.com", "intranet"]}}
    declared = {"base_url": "https://{shop}", "params": hosts, "methods": METHODS}
    shops = make_catalog({"s": declared}).services["s"]
    assert service_at(shops, {"shop": "intranet"}).base_urls == ("https://intranet",)


def test_a_part_of_a_page_may_say_the_host() -> None:
    shop = {"base_url": "https://{shop}.example.com", "params": SHOP, "methods": METHODS}
    page = {"one": {"call": "s.m", "params": {"shop": "$query.shop"}}}
    catalog = {"version": 1, "services": {"s": shop}, "aggregates": {"page": page}}
    [part] = load_catalog(json.dumps(catalog), "x", {}).aggregates["page"].parts
    assert list(part.params) == ["shop"]
