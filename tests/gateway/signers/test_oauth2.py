"""OAuth 2.0 client credentials through the gateway: how the token is asked for, sent, shared and renewed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml

from gateway.errors import CredentialError
from gateway.masking import Secret
from gateway.messages import HttpRequest, HttpResponse
from gateway.signers.oauth2 import OAuth2ClientCredentials
from gateway.signers.token_auth.answer import DEFAULT_LIFE_SECONDS
from gateway.stores import Store
from sandbox import Sandbox
from sandbox.vendors.oauth import CLIENT_ID, CLIENT_SECRET
from tests.gateway.fakes import FakeClock, Gate, Wire, answer, service

Open = Callable[..., Gate]
AUTH = {
    "type": "oauth2_client_credentials",
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "token_url": "/oauth2/token",
}
VECTOR = yaml.safe_load((Path(__file__).parent / "vectors/oauth2.yaml").read_text())
METHODS = {"m": {"http": "GET /oauth2/me"}}


def fetches(box: Sandbox) -> list[dict[str, str]]:
    return [
        dict(parse_qsl(request.text()))
        for request in box.requests
        if request.path == "/oauth2/token"
    ]


@pytest.mark.parametrize("client_auth", ["basic", "body", None])
def test_both_ways_to_say_who_we_are_get_a_token_that_opens_the_api(
    open_gate: Open, box: Sandbox, client_auth: str | None
) -> None:
    auth = {**AUTH, "scope": "read write", **({"client_auth": client_auth} if client_auth else {})}
    at = open_gate({"s": service(box.url, auth=auth, methods=METHODS)})
    assert at.ask() == at.ask() == {"scope": "read write"}
    in_body = (
        {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET} if client_auth == "body" else {}
    )
    assert fetches(box) == [{"grant_type": "client_credentials", "scope": "read write", **in_body}]
    assert ("authorization" in box.requests[0].headers) == (client_auth != "body")
    log_text = at.log.rendered(at.masker)
    for secret in (CLIENT_SECRET, box.requests[-1].headers["authorization"][7:]):
        assert secret.encode() not in log_text


def test_audience_and_extra_pairs_are_sent_with_the_token_request(
    open_gate: Open, box: Sandbox
) -> None:
    auth = {
        **AUTH,
        "audience": "https://api.example/",
        "extra": {"resource": "a b&c", "tenant": "中"},
    }
    open_gate({"s": service(box.url, auth=auth, methods=METHODS)}).ask()
    expected = {"audience": "https://api.example/", "resource": "a b&c", "tenant": "中"}
    assert fetches(box) == [{"grant_type": "client_credentials", **expected}]


def test_the_token_may_come_from_another_host_which_gets_no_other_request(
    open_gate: Open, box: Sandbox
) -> None:
    with Wire([answer(b'{"access_token":"from-elsewhere","token_type":"Bearer"}')]) as issuer:
        auth = {**AUTH, "token_url": f"{issuer.url}/realms/r/token"}
        at = open_gate({"s": service(box.url, auth=auth, methods={"m": {"http": "GET /anything"}})})
        at.ask()
        assert [raw_request.split(b"\r\n")[0] for raw_request in issuer.heard] == [
            b"POST /realms/r/token HTTP/1.1"
        ]
    assert [(request.path, request.headers["authorization"]) for request in box.requests] == [
        ("/anything", "Bearer from-elsewhere")
    ]


def test_a_token_that_the_api_refuses_is_renewed_and_the_call_sent_once_more(
    open_gate: Open, box: Sandbox
) -> None:
    at = open_gate({"s": service(box.url, auth=AUTH, methods={"m": {"http": "POST /oauth2/me"}})})
    at.ask()
    box.revoke_tokens()
    assert at.ask() == {"scope": ""}
    assert len(fetches(box)) == 2


def test_one_token_serves_all_workers(
    open_gate: Open, box: Sandbox, store: Store, clock: FakeClock
) -> None:
    services = {"s": service(box.url, auth=AUTH, methods=METHODS)}
    for at in [open_gate(services, store=store, clock=clock) for _ in range(3)]:
        at.ask()
    assert len(fetches(box)) == 1


def test_without_expires_in_a_token_serves_for_ten_minutes(
    open_gate: Open,
    box: Sandbox,
    store: Store,
    clock: FakeClock,
    pass_time: Callable[[float], None],
) -> None:
    box.oauth.expires_in = None
    at = open_gate({"s": service(box.url, auth=AUTH, methods=METHODS)}, store=store, clock=clock)
    at.ask()
    pass_time(DEFAULT_LIFE_SECONDS * 0.8)
    at.ask()
    assert len(fetches(box)) == 1
    pass_time(DEFAULT_LIFE_SECONDS * 0.2)
    at.ask()
    assert len(fetches(box)) == 2


def test_a_refused_token_request_is_a_credential_error_and_the_log_says_why(
    open_gate: Open, box: Sandbox
) -> None:
    for wrong, why in (
        ({"client_secret": "no-such-secret"}, "invalid_client"),
        ({"scope": "forbidden"}, "invalid_scope"),
    ):
        at = open_gate({"s": service(box.url, auth={**AUTH, **wrong}, methods=METHODS)})
        with pytest.raises(CredentialError):
            at.ask()
        assert why in at.log.events[-1]["why"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"access_token":""}', b'{"access_token":"a\\nb"}', b"{}"]
)
def test_an_answer_without_a_usable_token_is_a_credential_error(
    open_gate: Open, body: bytes
) -> None:
    with Wire([answer(body)]) as server:
        at = open_gate({"s": service(server.url, auth=AUTH, methods=METHODS)})
        with pytest.raises(CredentialError):
            at.ask()


def make_oauth2(**auth: Any) -> OAuth2ClientCredentials:
    return OAuth2ClientCredentials(AUTH | auth, "https://api.example")


def fetch(response: str, **auth: Any) -> tuple[tuple[Secret, float], HttpRequest]:
    """Return the token, its life in seconds, and the request for it."""
    sent: list[HttpRequest] = []

    def send(request: HttpRequest) -> HttpResponse:
        sent.append(request)
        return HttpResponse(200, {}, response.encode())

    return make_oauth2(**auth).fetch_token(send, now=0.0), sent[0]


def test_the_token_request_is_as_in_rfc_6749() -> None:
    client = {
        "client_id": VECTOR["client_id"],
        "client_secret": Secret(VECTOR["client_secret"]),
    }
    _, request = fetch(VECTOR["answer"], **client)
    assert request.headers["Authorization"] == VECTOR["authorization"]
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert (request.verb, request.body.decode()) == ("POST", VECTOR["body"])


@pytest.mark.parametrize("token_type", ["bearer", "Bearer", "BEARER", "example"])
def test_the_answer_is_read_as_in_rfc_6749_and_its_token_type_is_not_judged(
    token_type: str,
) -> None:
    body = VECTOR["answer"].replace('"example",', f'"{token_type}",')
    token, _ = fetch(body)
    assert token == (Secret("2YotnFZFEjr1zCsicMWpAA"), 3600)


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [('"3599"', 3599), ("0", 0), ("-1", 0), ("null", 600), ('"soon"', 600), ("1e300", 31536000)],
)
def test_however_expires_in_is_said_the_tokens_life_is_bounded(
    expires_in: str, life: float
) -> None:
    token, _ = fetch(f'{{"access_token": "t", "expires_in": {expires_in}}}')
    assert token == (Secret("t"), life)
