"""``auth: {type: token}``: any token endpoint as data; each request and answer goes over a socket."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.catalog.loader import CatalogError, load_catalog
from gateway.errors import ConnectFailed, CredentialError
from gateway.signers.token_auth.presets import PRESETS
from gateway.stores import Store
from tests.gateway.fakes import FakeClock, Gate, Wire, answer, make_call, service
from tests.gateway.signers.proofs import SentRequest, parse_request

Open = Callable[..., Gate]
SECRET = "s3cret of ours"
REQUEST = {"http": "POST /token", "body": {"secret": "{secret}"}}
TOKEN = {"type": "token", "values": {"secret": "${SECRET}"}, "request": REQUEST, "token": "t"}


def token_and_call(
    open_gate: Open, auth: Mapping[str, Any], *answers: bytes, **options: Any
) -> list[SentRequest]:
    """Return what a vendor gets that answers so when a token is asked for, and then the call."""
    with Wire([*answers, answer()]) as vendor:
        settings = service(vendor.url, auth=auth, methods={"m": {"http": "GET /v1/items"}})
        open_gate({"s": settings}, env={"SECRET": SECRET}, **options).ask()
        return [parse_request(raw) for raw in vendor.heard]


def grant(**members: Any) -> bytes:
    return answer(json.dumps(members).encode())


def test_a_token_is_asked_for_as_described_and_sent_as_bearer(open_gate: Open) -> None:
    token_request, called = token_and_call(open_gate, TOKEN, grant(t="tok-1"))
    assert (token_request.verb, token_request.target) == ("POST", "/token")
    assert token_request.headers["content-type"] == "application/json"
    assert json.loads(token_request.body) == {"secret": SECRET}
    assert called.headers["authorization"] == "Bearer tok-1"


def test_a_body_may_be_a_form_and_values_may_name_each_other_with_filters(open_gate: Open) -> None:
    request = {
        "http": "POST /token",
        "query": {"at": "{unix}"},
        "headers": {"X-Sign": "{text|md5}"},
        "body": {"text": "{text}"},
        "body_format": "form",
    }
    auth = {
        **TOKEN,
        "request": request,
        "values": {"secret": "${SECRET}", "text": "id&{secret}"},
    }
    token_request, _ = token_and_call(open_gate, auth, grant(t="tok-1"))
    assert parse_qs(token_request.body.decode()) == {"text": [f"id&{SECRET}"]}
    assert token_request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert token_request.headers["x-sign"] == hashlib.md5(f"id&{SECRET}".encode()).hexdigest()
    assert parse_qs(urlsplit(token_request.target).query)["at"][0].isdecimal()


@pytest.mark.parametrize(
    ("send", "header", "target"),
    [
        ({"in": "query", "name": "access_token", "value": "{token}"}, {}, "?access_token=tok-1"),
        ({"in": "header", "name": "X-Key", "value": "Key {token}"}, {"x-key": "Key tok-1"}, ""),
        ({"in": "cookie", "name": "sid", "value": "{token}"}, {"cookie": "sid=tok-1"}, ""),
        (
            [
                {"in": "header", "name": "X-Key", "value": "{token}"},
                {"in": "query", "name": "by", "value": "{id}"},
            ],
            {"x-key": "tok-1"},
            "?by=us",
        ),
    ],
    ids=["query", "header", "cookie", "two places"],
)
def test_a_token_goes_where_send_says(
    open_gate: Open, send: Any, header: dict[str, str], target: str
) -> None:
    auth = {**TOKEN, "send": send, "values": {"secret": "${SECRET}", "id": "us"}}
    _, called = token_and_call(open_gate, auth, grant(t="tok-1"))
    assert called.target == f"/v1/items{target}"
    assert header.items() <= called.headers.items()
    assert "authorization" not in called.headers


@pytest.mark.parametrize(
    ("keys", "response"),
    [
        ({"token": "data.0.token"}, grant(data=[{"token": "tok-1"}])),
        ({"token": "header:X-Subject-Token"}, answer(b"", "201 Created", "X-Subject-Token: tok-1")),
        ({"token": "t"}, answer(b"t=tok-1&x=1", "200 OK", "Content-Type: application/x-www-form-urlencoded")),
        ({"token": "t", "ok": {"code": [0, "ok"], "yes": [True]}}, grant(t="tok-1", code="0", yes=True)),
        ({"token": "t"}, answer('{"t": "tok-1", "msg": "成功"}'.encode("gbk"), "200 OK", "Content-Type: application/json;charset=GBK")),
        ({"token": "."}, answer(b'"tok-1"')),
        ({"token": "."}, answer(b"tok-1\n", "200 OK", "Content-Type: application/jwt")),
        ({"token": "cookie:SID"}, answer(b"ok", "200 OK", "Set-Cookie: a=b; Expires=Wed, 21 Oct 2099 07:28:00 GMT",
                                         "Set-Cookie: XSID=no", "Set-Cookie: SID=deleted; Max-Age=0", 'Set-Cookie: SID="tok-1"; Path=/; HttpOnly')),
    ],
    ids=["path", "header", "form", "ok", "GBK", "JSON text", "text", "cookie"],
)  # fmt: skip
def test_a_token_is_found_where_token_says(
    open_gate: Open, keys: dict[str, Any], response: bytes
) -> None:
    _, called = token_and_call(open_gate, {**TOKEN, **keys}, response)
    assert called.headers["authorization"] == "Bearer tok-1"


@pytest.mark.parametrize(
    ("keys", "members", "life"),
    [
        ({"expires_in": "x"}, {"x": 500}, 500),
        ({"expires_in": "x"}, {"x": "500"}, 500),
        ({"expires_in": "x.y", "lifetime": 900}, {}, 900),
        ({"lifetime": 900}, {}, 900),
        ({}, {}, 600),
        ({"expires_at": "x"}, {"x": "{wall+500}"}, 500),
        ({"expires_at": "x"}, {"x": "{ms+500}"}, 500),
        ({"expires_at": "x"}, {"x": "{iso+500}"}, 500),
        ({"expires_at": "x", "lifetime": 900}, {"x": "soon"}, 900),
    ],
)
def test_a_token_serves_for_as_long_as_the_answer_or_the_catalog_says(
    open_gate: Open,
    clock: FakeClock,
    keys: dict[str, Any],
    members: dict[str, Any],
    life: float,
) -> None:
    end = clock.wall() + 500
    texts = {
        "{wall+500}": end,
        "{ms+500}": int(end * 1000),
        "{iso+500}": datetime.fromtimestamp(end, UTC).isoformat(),
    }
    members = {name: texts.get(str(value), value) for name, value in members.items()}
    granted = grant(t="tok-1", **members)
    with Wire([granted, answer(), answer(), grant(t="tok-2"), answer()]) as vendor:
        settings = service(vendor.url, auth={**TOKEN, **keys}, methods={"m": {"http": "GET /i"}})
        at = open_gate({"s": settings}, env={"SECRET": SECRET}, clock=clock)
        at.ask()
        clock.advance(0.85 * life)
        at.ask()
        clock.advance(0.15 * life)
        at.ask()
        tokens = [parse_request(raw).headers.get("authorization") for raw in vendor.heard]
    assert tokens == [None, "Bearer tok-1", "Bearer tok-1", None, "Bearer tok-2"]


def test_a_token_may_be_as_long_as_those_that_hold_a_users_roles(open_gate: Open) -> None:
    """Huawei Cloud's X-Subject-Token: signed JSON of the roles, in base64."""
    token = "MIIZ" + "x" * 12_000
    auth = {**TOKEN, "token": "header:X-Subject-Token"}
    response = answer(b"{}", "201 Created", f"X-Subject-Token: {token}")
    _, called = token_and_call(open_gate, auth, response)
    assert called.headers["authorization"] == f"Bearer {token}"


def test_steps_use_what_earlier_ones_answered(open_gate: Open) -> None:
    auth = {
        "type": "token",
        "values": {"secret": "${SECRET}"},
        "steps": [
            {
                "request": {"http": "POST /ticket", "body": {"secret": "{secret}"}},
                "ok": {"code": [0]},
                "save": {"ticket": "data.ticket", "tenant": "data.tenant"},
            }
        ],
        "request": {
            "http": "POST /token",
            "headers": {"X-Ticket": "{ticket}"},
            "body": {"tenant": "{tenant}"},
        },
        "token": "t",
    }
    first, second, called = token_and_call(
        open_gate, auth, grant(code=0, data={"ticket": "tick", "tenant": 7}), grant(t="tok-1")
    )
    assert json.loads(first.body) == {"secret": SECRET}
    assert (second.headers["x-ticket"], json.loads(second.body)) == ("tick", {"tenant": "7"})
    assert called.headers["authorization"] == "Bearer tok-1"


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (grant(code=10014, msg="app secret invalid"), "HTTP 200, code 10014, app secret invalid"),
        (grant(t=""), "HTTP 200"),
        (grant(t="a\nb"), "HTTP 200"),
        (grant(t=["x"]), "HTTP 200"),
        (answer(b"<html>"), "HTTP 200, not JSON"),
        (answer(b""), "no token in it"),
        (answer(b"[]"), "no token in it"),
        (answer(b"", "302 Found", "Location: /elsewhere"), "HTTP 302"),
        (answer(b'{"t": "tok-1", "error": "no"}', "400 Bad Request"), "HTTP 400, code no"),
    ],
)
def test_an_answer_without_a_usable_token_is_a_credential_error_that_the_log_explains(
    open_gate: Open, response: bytes, why: str
) -> None:
    with Wire([response]) as vendor:
        auth = {**TOKEN, "ok": {"code": [0, "None"]}} if b"code" in response else TOKEN
        settings = service(vendor.url, auth=auth, methods={"m": {"http": "GET /i"}})
        at = open_gate({"s": settings}, env={"SECRET": SECRET})
        with pytest.raises(CredentialError):
            at.ask()
        assert why in at.log.events[-1]["why"]
        assert len(vendor.heard) == 1


def test_a_secret_that_stands_in_the_catalog_is_masked_where_the_token_endpoint_repeats_it(
    open_gate: Open,
) -> None:
    with Wire([grant(code=5, msg="app_secret literal-1 is wrong")]) as vendor:
        request = {"http": "POST /token", "body": {"id": "us", "app_secret": "literal-1"}}
        auth = {
            "type": "token",
            "request": request,
            "token": "t",
            "lifetime": 60,
            "ok": {"code": [0]},
        }
        at = open_gate({"s": service(vendor.url, auth=auth, methods={"m": {"http": "GET /i"}})})
        with pytest.raises(CredentialError):
            at.ask()
    assert at.log.events[-1]["why"] == "token answer: HTTP 200, code 5, app_secret **** is wrong"


RETRIES = {"times": 1, "backoff": 0.01, "max_backoff": 0.01, "on": ["connect", 503]}
OAUTH = {"type": "oauth2", "client_id": "us", "client_secret": "${SECRET}", "token_url": "/token"}


@pytest.mark.parametrize("auth", [TOKEN, OAUTH], ids=["token", "oauth2"])
def test_a_token_endpoint_that_fails_for_a_moment_is_asked_again_whatever_the_method(
    open_gate: Open, auth: dict[str, Any]
) -> None:
    answers = [
        answer(b"<html>", "503 Service Unavailable", "Retry-After: 3"),
        grant(t="tok-1", access_token="tok-1"),
    ]
    clock = FakeClock()
    with Wire([*answers, answer()]) as vendor:
        methods = {"m": {"http": "POST /pay"}}
        settings = service(vendor.url, auth=auth, methods=methods, retry=RETRIES)
        open_gate({"s": settings}, env={"SECRET": SECRET}, clock=clock).ask()
        requests = [parse_request(raw) for raw in vendor.heard]
    assert [request.target for request in requests] == ["/token", "/token", "/pay"]
    assert clock.slept == [3]
    assert requests[2].headers["authorization"] == "Bearer tok-1"


@pytest.mark.parametrize("auth", [TOKEN, OAUTH], ids=["token", "oauth2"])
def test_a_call_whose_token_got_no_answer_was_not_sent_so_any_method_is_tried_again(
    open_gate: Open, auth: dict[str, Any]
) -> None:
    hangs_up = b""
    granted = grant(t="tok-1", access_token="tok-1")
    methods = {"m": {"http": "POST /pay"}}
    with Wire([hangs_up, granted, answer()]) as vendor:
        settings = service(vendor.url, auth=auth, methods=methods, retry=RETRIES)
        at = open_gate({"s": settings}, env={"SECRET": SECRET})
        at.ask()
        targets = [parse_request(raw).target for raw in vendor.heard]
        assert targets == ["/token", "/token", "/pay"]


def test_a_call_whose_token_got_no_answer_says_that_nothing_was_sent(open_gate: Open) -> None:
    with Wire([b""]) as vendor:
        settings = service(vendor.url, auth=TOKEN, methods={"m": {"http": "POST /pay"}})
        with pytest.raises(ConnectFailed, match="was not sent") as failure:
            open_gate({"s": settings}, env={"SECRET": SECRET}).ask()
    assert (failure.value.code, failure.value.not_executed) == (-1003, True)


@pytest.mark.parametrize(
    ("status", "retryable"),
    [("503 Service Unavailable", True), ("429 Too Many Requests", True), ("401 No", False)],
)
def test_a_token_endpoint_that_is_failing_or_busy_is_worth_another_try_and_one_that_says_no_is_not(
    open_gate: Open, status: str, retryable: bool
) -> None:
    with Wire([answer(b"{}", status)]) as vendor:
        settings = service(vendor.url, auth=TOKEN, methods={"m": {"http": "GET /i"}})
        with pytest.raises(CredentialError) as failure:
            open_gate({"s": settings}, env={"SECRET": SECRET}).ask()
    assert failure.value.retryable is retryable


def test_a_secret_that_the_catalog_has_itself_is_starred_in_a_dry_run_and_in_answers(
    open_gate: Open,
) -> None:
    values = {"corpid": "wx-corp-4711", "corpsecret": "written-in-the-catalog"}
    request = {
        "http": "POST /token",
        "query": {"id": "{corpid}", "secret": "{corpsecret}"},
        "body": {"user": "ann-of-the-team", "password": "{as it} is", "token_type": "access"},
    }
    auth = {"type": "token", "values": values, "request": request, "token": "t"}
    echo = answer(b'{"said": "written-in-the-catalog by wx-corp-4711"}')
    with Wire([grant(t="tok-1"), echo]) as vendor:
        settings = service(vendor.url, auth=auth, methods={"m": {"http": "GET /i"}})
        at = open_gate({"s": settings})
        planned = at.gateway.dry_run_token(make_call())
        assert at.ask() == {"said": "**** by wx-corp-4711"}
    assert planned is not None
    assert planned.query == (("id", "wx-corp-4711"), ("secret", "****"))
    body = {"user": "ann-of-the-team", "password": "****", "token_type": "access"}
    assert json.loads(planned.body) == body


def test_the_vendors_words_are_masked_in_the_log(open_gate: Open) -> None:
    with Wire([grant(error=f"{SECRET} is wrong")]) as vendor:
        settings = service(vendor.url, auth=TOKEN, methods={"m": {"http": "GET /i"}})
        at = open_gate({"s": settings}, env={"SECRET": SECRET})
        with pytest.raises(CredentialError):
            at.ask()
        assert SECRET.encode() not in at.log.rendered(at.masker)
        assert b"is wrong" in at.log.rendered(at.masker)


def test_a_token_that_the_vendor_refuses_is_fetched_anew_and_the_call_sent_once_more(
    open_gate: Open,
) -> None:
    refusal = answer(b"{}", "401 Unauthorized")
    token_request, refused, again, called = token_and_call(
        open_gate, TOKEN, grant(t="tok-1"), refusal, grant(t="tok-2")
    )
    assert refused.headers["authorization"] == "Bearer tok-1"
    assert again.target == token_request.target
    assert called.headers["authorization"] == "Bearer tok-2"


def test_a_token_from_another_host_serves_all_workers(
    open_gate: Open, store: Store, clock: FakeClock
) -> None:
    with Wire([grant(t="tok-1")]) as issuer, Wire([answer(), answer()]) as vendor:
        auth = {**TOKEN, "request": {**REQUEST, "http": f"POST {issuer.url}/oauth/token"}}
        services = {"s": service(vendor.url, auth=auth, methods={"m": {"http": "GET /i"}})}
        for _ in range(2):
            open_gate(services, store=store, clock=clock, env={"SECRET": SECRET}).ask()
        assert [parse_request(raw).target for raw in issuer.heard] == ["/oauth/token"]
        assert len(vendor.heard) == 2


def nest(place: str, value: Any) -> dict[str, Any]:
    """Return an answer with the value at a dotted path."""
    for key in reversed(place.split(".")):
        value = {key: value}
    return dict(value)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_needs_nothing_but_its_values(open_gate: Open, preset: str) -> None:
    described = PRESETS[preset]
    values = {name: f"v-{name}" for name in described["values"]}
    values[next(reversed(values))] = "${SECRET}"
    reply: dict[str, Any] = {}
    for place, accepted in described.get("ok", {}).items():
        reply |= nest(place, accepted[0])
    place = described["token"]
    head = ""
    if place.startswith("header:"):
        head = f"{place.removeprefix('header:')}: tok-1"
    else:
        top = place.split(".")[0]
        reply[top] = (
            {**reply.get(top, {}), **nest(place, "tok-1")[top]} if "." in place else "tok-1"
        )
    granted = answer(json.dumps(reply).encode(), "200 OK", *filter(None, [head]))
    with Wire([granted, answer()]) as vendor:
        auth: dict[str, Any] = {"type": "token", "preset": preset, "values": values}
        verb, url = described["request"]["http"].split(" ", 1)
        path = urlsplit(url).path
        auth["request"] = {"http": f"{verb} {path}"}
        settings = service(vendor.url, auth=auth, methods={"m": {"http": "GET /i"}})
        open_gate({"s": settings}, env={"SECRET": SECRET}).ask()
        token_request, called = (parse_request(raw) for raw in vendor.heard)
    assert (token_request.verb, urlsplit(token_request.target).path) == (verb, path)
    for value in {*values.values()} - {"${SECRET}"}:
        assert value in token_request.target + token_request.body.decode()
    assert "tok-1" in called.target + str(called.headers)


AUTH = "services: {s: {base_url: http://127.0.0.1:9, allow_private: true, auth: {%s}, methods: {m: {http: GET /}}}}"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("type: token", "request: missing; say it, or a preset: wecom, lark"),
        ("type: token, request: {http: POST /t}", "token: missing; say it, or a preset"),
        ("type: token, preset: larck", "preset: must be one of: wecom, lark"),
        ("type: token, preset: lark, values: {app_id: a}", "values.app_secret: missing; this value is required"),
        ("type: token, token: t, request: {http: POST /t, body: {a: '{nope}'}}", "request.body: {nope} is not known here"),
        ("type: token, token: t, request: {http: POST t}", "request.http: must be GET, POST or PUT and a path"),
        ("type: token, token: t, request: {http: POST /t}, values: {a: '{b}', b: '{a}'}", "values.a: {a} needs itself"),
        ("type: token, token: t, request: {http: POST /t}, expires_in: a, expires_at: b", "expires_at: only one of"),
        ("type: token, token: t, request: {http: POST /t}, send: {in: header, name: Host, value: '{token}'}", "send.name: must be a header's name"),
        ("type: token, token: t, request: {http: POST /t}, send: {in: body, name: a, value: b}", "send.in: must be one of: header, query, cookie"),
        ("type: token, token: t, request: {http: POST /t}, ok: {code: []}", "ok.code: must have one at least"),
        ("type: token, token: t, request: {http: POST /t, body: {a: {b: 1}}, body_format: form}", "request.body.a: a form has texts only"),
    ],
)  # fmt: skip
def test_a_slip_in_the_description_is_told_with_its_key(keys: str, message: str) -> None:
    with pytest.raises(CatalogError) as refused:
        load_catalog("version: 1\n" + AUTH % keys, "c.yaml", {})
    assert f"services.s.auth.{message}" in str(refused.value)
