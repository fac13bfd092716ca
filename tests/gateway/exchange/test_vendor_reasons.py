"""Why a vendor said no: for its caller where the service has opted in, in the record for admins."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from api.http.error_response import describe_error
from gateway.catalog.loader import load_catalog
from gateway.errors import GatewayError, NotFound, Rejected
from gateway.messages import Caller
from tests.gateway.fakes import Gate, Wire, answer, make_call, service

Open = Callable[..., Gate]
ADMIN = Caller("user:1", role="admin")
WORDS = json.dumps({"message": "no such city, ask 13812345678", "password": "x"}).encode()


def failure(at: Gate, method: str = "m", params: dict[str, Any] | None = None) -> GatewayError:
    with pytest.raises(GatewayError) as failed:
        at.ask(method, params or {})
    return failed.value


@pytest.mark.parametrize(
    ("settings", "vendor"),
    [
        ({}, None),
        ({"expose_vendor_code": True}, None),
        ({"expose_vendor_error": True}, {"code": "404", "message": "no such city, ask 1381234****"}),
    ],
)  # fmt: skip
def test_a_caller_sees_the_vendors_words_masked_where_the_service_has_opted_in(
    open_gate: Open, settings: dict[str, Any], vendor: dict[str, str] | None
) -> None:
    with Wire([answer(WORDS, "404 Not Found")]) as server:
        at = open_gate({"s": service(server.url, methods={"m": {"http": "GET /"}}, **settings)})
        described = describe_error(failure(at))
    assert described.get("vendor") == vendor
    assert ("vendor_code" in described) == ("expose_vendor_code" in settings)


def test_the_words_are_cut_at_500_characters_and_free_of_credentials_and_of_masked_parameters(
    open_gate: Open,
) -> None:
    words = f"key-of-ours and hush are wrong {'x' * 600}"
    body = json.dumps({"errcode": 7, "errmsg": words}).encode()
    with Wire([answer(body)]) as server:
        settings = service(
            server.url,
            auth={"type": "api_key", "in": "query", "name": "k", "value": "${KEY}"},
            envelope="wechat",
            expose_vendor_error=True,
            methods={
                "m": {"http": "GET /", "params": {"word": {"type": "string"}}, "mask": ["word"]}
            },
        )
        at = open_gate({"s": settings}, env={"KEY": "key-of-ours"})
        vendor = describe_error(failure(at, params={"word": "hush"}))["vendor"]
    assert vendor["code"] == "7"
    assert len(vendor["message"]) == 500
    assert "key-of-ours" not in vendor["message"]
    assert "hush" not in vendor["message"]
    assert "are wrong" in vendor["message"]


@pytest.mark.parametrize("opted_in", [True, False])
def test_the_record_tells_admins_why_and_its_caller_only_where_the_service_has_opted_in(
    open_gate: Open, opted_in: bool
) -> None:
    with Wire([answer(WORDS, "404 Not Found")]) as server:
        settings = service(
            server.url, methods={"m": {"http": "GET /"}}, expose_vendor_error=opted_in
        )
        at = open_gate({"s": settings})
        call = make_call("m")
        with pytest.raises(Rejected):
            at.gateway.call(call)
    [for_admin] = at.gateway.records.find(call.request_id, ADMIN)
    [for_caller] = at.gateway.records.find(call.request_id, call.caller)
    why = "HTTP 404: no such city, ask 1381234****"
    assert for_admin["why"] == for_admin["attempts"][0]["why"] == why
    assert for_caller["why"] == for_caller["attempts"][0]["why"] == (why if opted_in else None)


@pytest.mark.parametrize(
    ("content_type", "body", "words"),
    [
        ("text/plain; charset=utf-8", "no such city, ask 13812345678", "no such city, ask 1381234****"),
        ("text/plain", '{"message": "no such city"}', "no such city"),
        ("application/vnd.api+json", '{"errors": [{"detail": "no such city"}]}', "no such city"),
        ("application/problem+json", '{"type": "x", "title": "no such city"}', "no such city"),
        ("text/plain", "", None),
    ],
)  # fmt: skip
def test_a_vendors_words_are_found_in_plain_text_and_where_standards_put_them(
    open_gate: Open, content_type: str, body: str, words: str | None
) -> None:
    refusal = answer(body.encode(), "404 Not Found", f"Content-Type: {content_type}")
    with Wire([refusal]) as server:
        settings = service(server.url, methods={"m": {"http": "GET /"}}, expose_vendor_error=True)
        at = open_gate({"s": settings})
        vendor = describe_error(failure(at))["vendor"]
        [record] = at.gateway.records.find("r-1", ADMIN)
    assert vendor["message"] == words
    assert record["why"] == (f"HTTP 404: {words}" if words else "HTTP 404")


@pytest.mark.parametrize("place", ["headers", "query"])
def test_a_key_that_stands_in_the_catalog_is_masked_in_the_record_as_in_the_answer(
    open_gate: Open, place: str
) -> None:
    refusal = answer(b'{"message": "literal-key-1 is no key"}', "403 Forbidden")
    with Wire([refusal]) as server:
        settings = service(
            server.url,
            methods={"m": {"http": "GET /"}},
            expose_vendor_error=True,
            **{place: {"api_key": "literal-key-1"}},
        )
        at = open_gate({"s": settings})
        call = make_call("m")
        with pytest.raises(Rejected) as refused:
            at.gateway.call(call)
    [record] = at.gateway.records.find(call.request_id, call.caller)
    assert refused.value.vendor_message == "**** is no key"
    assert record["why"] == at.log.events[-1]["why"] == "HTTP 403: **** is no key"


def test_why_a_connection_failed_is_for_admins_alone(open_gate: Open) -> None:
    settings = service("http://127.0.0.1:1", methods={"m": {"http": "GET /"}}, retry={"times": 0})
    at = open_gate({"s": {**settings, "expose_vendor_error": True}})
    call = make_call("m")
    with pytest.raises(GatewayError):
        at.gateway.call(call)
    assert "refused" in at.gateway.records.find(call.request_id, ADMIN)[0]["why"]
    assert at.gateway.records.find(call.request_id, call.caller)[0]["why"] is None


@pytest.mark.parametrize(
    ("service_name", "method", "params", "similar"),
    [
        ("wether", "now", {}, "weather"),
        ("weather", "nov", {}, "now"),
        ("weather", "now", {"citty": "Oslo"}, "city"),
        ("xyz", "now", {}, None),
        ("weather", "qqq", {}, None),
        ("weather", "now", {"zzz": 1}, None),
    ],
)
def test_a_name_that_does_not_exist_is_answered_with_the_nearest_one(
    open_gate: Open, service_name: str, method: str, params: dict[str, Any], similar: str | None
) -> None:
    methods = {"now": {"http": "GET /", "params": {"city": {"type": "string"}}}}
    at = open_gate({"weather": service("http://127.0.0.1:1", methods=methods)})
    with pytest.raises(GatewayError) as failed:
        at.gateway.call(make_call(method, params, service=service_name))
    assert describe_error(failed.value).get("did_you_mean") == similar


def test_no_name_is_told_to_a_caller_who_may_not_call_it(open_gate: Open) -> None:
    methods = {"pay_salary": {"http": "GET /"}, "now": {"http": "GET /"}}
    at = open_gate(
        {
            "payroll": service("http://127.0.0.1:1", methods=methods, roles=["admin"]),
            "weather": service("http://127.0.0.1:1", methods=methods),
        }
    )
    caller = Caller("app:shop", allow=("weather.now",))
    for service_name, method in (
        ("payrol", "now"),
        ("payroll", "pay_salry"),
        ("weather", "pay_salry"),
    ):
        with pytest.raises(NotFound) as failed:
            at.gateway.call(make_call(method, service=service_name, caller=caller))
        assert failed.value.did_you_mean is None
    with pytest.raises(NotFound) as failed:
        at.gateway.call(make_call("nov", service="weather", caller=caller))
    assert failed.value.did_you_mean == "now"


def test_an_aggregate_that_does_not_exist_is_answered_with_the_nearest_one(
    open_gate: Open,
) -> None:
    services = {"weather": service("http://127.0.0.1:1", methods={"now": {"http": "GET /"}})}
    at = open_gate(services)
    aggregates = {"city_page": {"where": {"call": "weather.now"}}}
    text = json.dumps({"version": 1, "services": services, "aggregates": aggregates})
    at.gateway.swap(load_catalog(text, "c.yaml", {}))
    with pytest.raises(NotFound) as failed:
        at.gateway.aggregate("city_pages", {"query": {}, "body": {}}, make_call("now"))
    assert failed.value.did_you_mean == "city_page"
