"""What each auth type puts on the wire, and that a dry run shows exactly that."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

from gateway.errors import CredentialError, GatewayError
from gateway.masking import STARS
from sandbox import Sandbox
from tests.gateway.fakes import Gate, service

Open = Callable[..., Gate]
AUTHS: dict[str, dict[str, str]] = {
    "none": {"type": "none"},
    "api_key in the query": {"type": "api_key", "in": "query", "name": "the key", "value": "k&=+ ü/?#"},
    "api_key in a header": {"type": "api_key", "in": "header", "name": "X-Key", "value": "secret-key-1"},
    "basic": {"type": "basic", "username": "ann", "password": "p:w ü"},
    "bearer": {"type": "bearer", "token": "tok.en-1"},
    "app_secret": {
        "type": "app_secret", "app_id": "sandbox-app", "secret": "sandbox-secret", "token_url": "/cgi-bin/token",
    },
}  # fmt: skip
IN_BODY = {"type": "api_key", "in": "body", "name": "key", "value": "secret-key-2"}
PARAMS = {
    "id": {"type": "integer"},
    "q": {"type": "string", "in": "query"},
    "t": {"type": "string", "in": "body"},
}
VALUES = {"id": 7, "q": "a b&c", "t": "中"}


def sent(gate: Open, box: Sandbox, auth: str) -> Any:
    gate("POST /anything", on={"auth": AUTHS[auth]}).ask()
    return box.requests[-1]


def test_without_auth_nothing_is_added(gate: Open, box: Sandbox) -> None:
    request = sent(gate, box, "none")
    assert request.target == "/anything"
    assert not {"authorization", "x-key", "cookie"} & set(request.headers)


def test_an_api_key_in_the_query_is_quoted(gate: Open, box: Sandbox) -> None:
    request = sent(gate, box, "api_key in the query")
    assert request.query == {"the key": ["k&=+ ü/?#"]}
    assert request.target == "/anything?the%20key=k%26%3D%2B%20%C3%BC%2F%3F%23"


def test_an_api_key_in_a_header(gate: Open, box: Sandbox) -> None:
    assert sent(gate, box, "api_key in a header").headers["x-key"] == "secret-key-1"


@pytest.mark.parametrize("body", ["json", "form"])
def test_an_api_key_in_the_body_joins_the_parameters_and_a_dry_run_has_stars_for_it(
    gate: Open, box: Sandbox, body: str
) -> None:
    at = gate("POST /anything", on={"auth": IN_BODY}, params={"t": PARAMS["t"]}, body=body)
    at.ask(params={"t": "中"})
    for request, key in [
        (box.requests[-1], "secret-key-2"),
        (at.dry(params={"t": "中"}), STARS),
    ]:
        content = request.body
        fields = json.loads(content) if body == "json" else dict(parse_qsl(content.decode()))
        assert fields == {"t": "中", "key": key}


def test_an_api_key_in_the_body_is_all_of_it_where_there_are_no_parameters(
    gate: Open, box: Sandbox
) -> None:
    gate("POST /anything", on={"auth": IN_BODY}).ask()
    assert json.loads(box.requests[-1].body) == {"key": "secret-key-2"}


def test_an_api_key_in_the_path_stands_before_the_methods_own_and_is_never_told(
    gate: Open, box: Sandbox
) -> None:
    auth = {"type": "api_key", "in": "path", "value": "/bot${BOT}"}
    at = gate("GET /anything/{id}", on={"auth": auth}, params=PARAMS, env={"BOT": "12:s3cret-bot"})
    with pytest.raises(GatewayError):
        at.ask("m", {"id": 7, "q": "a"})  # the sandbox has no such path
    assert box.requests[-1].target == "/bot12:s3cret-bot/anything/7?q=a"
    assert at.dry("m", {"id": 7}).target == f"/{STARS}/anything/7"
    assert at.log.events and b"s3cret-bot" not in at.log.rendered(at.masker)


def test_basic_is_base64_of_utf_8(gate: Open, box: Sandbox) -> None:
    expected = "Basic " + b64encode("ann:p:w ü".encode()).decode()
    assert sent(gate, box, "basic").headers["authorization"] == expected


@pytest.mark.parametrize("password", ["", "x"])
def test_a_basic_user_that_is_the_key_is_never_told(
    gate: Open, box: Sandbox, password: str
) -> None:
    auth = {"type": "basic", "username": "${KEY}", "password": password}
    at = gate(
        "POST /anything", on={"auth": auth}, env={"KEY": "sk-live-12345"}, params={"t": PARAMS["t"]}
    )
    answer = at.ask(params={"t": "my key is sk-live-12345"})
    expected = b64encode(f"sk-live-12345:{password}".encode()).decode()
    assert box.requests[-1].headers["authorization"] == f"Basic {expected}"
    assert "sk-live-12345" in box.requests[-1].text()
    assert "sk-live-12345" not in json.dumps(answer) and expected not in json.dumps(answer)
    assert at.dry(params={"t": ""}).headers["Authorization"] == f"Basic {STARS}"


def test_bearer(gate: Open, box: Sandbox) -> None:
    assert sent(gate, box, "bearer").headers["authorization"] == "Bearer tok.en-1"


def test_app_secret_fetches_a_token_and_sends_it_in_the_query(gate: Open, box: Sandbox) -> None:
    request = sent(gate, box, "app_secret")
    fetch = box.requests[0]
    assert (fetch.verb, fetch.target) == (
        "GET", "/cgi-bin/token?grant_type=client_credential&appid=sandbox-app&secret=sandbox-secret",
    )  # fmt: skip
    assert list(request.query) == ["access_token"]
    assert len(request.query["access_token"][0]) > 20


def test_a_token_url_may_be_written_out(gate: Open, box: Sandbox) -> None:
    auth = {**AUTHS["app_secret"], "token_url": f"{box.url}/cgi-bin/token"}
    gate("POST /anything", on={"auth": auth}).ask()
    assert box.requests[0].path == "/cgi-bin/token"


@pytest.mark.parametrize(
    ("auth", "path"),
    [
        ({"type": "basic", "username": "sandbox", "password": "sandbox-secret"}, "/basic"),
        ({"type": "bearer", "token": "sandbox-token"}, "/bearer"),
        (
            {"type": "api_key", "in": "header", "name": "X-API-Key", "value": "sandbox-key"},
            "/api-key",
        ),
    ],
)
def test_a_guarded_page_opens_with_the_right_credential_only(
    gate: Open, box: Sandbox, auth: dict[str, str], path: str
) -> None:
    assert gate(f"GET {path}", on={"auth": auth}).ask()["authenticated"] is True
    with pytest.raises(CredentialError):
        gate(f"GET {path}").ask()


def starred(text: str, auth: str, token: str) -> str:
    """A target or header value with its secret as a dry run shows it."""
    settings = AUTHS[auth]
    secret = settings.get("value") or settings.get("token") or token
    if auth == "basic":
        return text.replace(b64encode("ann:p:w ü".encode()).decode(), STARS)
    if not secret:
        return text
    in_url = text.startswith("/")
    return (
        text.replace(quote(secret, safe=""), quote("****"))
        if in_url
        else text.replace(secret, "****")
    )


@pytest.mark.parametrize("body", ["json", "form"])
@pytest.mark.parametrize("auth", AUTHS)
def test_a_dry_run_shows_exactly_the_request_that_a_call_sends_with_stars_for_secrets(
    gate: Open, box: Sandbox, auth: str, body: str
) -> None:
    at = gate("POST /anything/{id}", on={"auth": AUTHS[auth]}, params=PARAMS, body=body)
    dry_request = at.dry("m", VALUES)
    assert box.requests == []  # no token was fetched either
    at.ask("m", VALUES)
    real = box.requests[-1]
    token = real.query.get("access_token", [""])[0]
    assert (dry_request.verb, dry_request.target, dry_request.body) == (
        real.verb,
        starred(real.target, auth, token),
        real.body,
    )
    added = {"host": box.url.removeprefix("http://"), "content-length": str(len(real.body))}
    sent = {name: starred(value, auth, token) for name, value in real.headers.items()}
    sent["traceparent"] = dry_request.headers["traceparent"]  # each attempt has its own
    assert {name.lower(): value for name, value in dry_request.headers.items()} | added == sent
    assert (sent | {"target": dry_request.target}) != real.headers | {
        "target": real.target
    } or auth == "none"


def test_a_dry_run_is_refused_for_what_a_call_would_be_refused_for(
    gate: Open, box: Sandbox
) -> None:
    at = gate("POST /anything/{id}", params=PARAMS)
    with pytest.raises(GatewayError) as caught:
        at.dry("m", {"id": "x"})
    assert (caught.value.code, caught.value.service) == (-3003, "s")


def test_a_caller_cannot_replace_our_credential_with_a_parameter(gate: Open, box: Sandbox) -> None:
    params = {
        name: {"type": "string", "in": "header"} for name in ("Authorization", "authorization")
    }
    at = gate("GET /anything", on={"auth": AUTHS["bearer"]}, params=params)
    at.ask("m", {"Authorization": "Bearer theirs", "authorization": "Bearer theirs"})
    assert box.requests[-1].headers["authorization"] == "Bearer tok.en-1"


def test_the_credential_goes_to_its_service_only(open_gate: Open, box: Sandbox) -> None:
    method = {"m": {"http": "GET /anything"}}
    at = open_gate(
        {
            "s": service(box.url, auth=AUTHS["bearer"], methods=method),
            "t": service(box.url, methods=method),
        }
    )
    at.ask()
    at.ask(service="t")
    assert "authorization" not in box.requests[-1].headers
