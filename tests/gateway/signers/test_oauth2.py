"""OAuth 2.0 client credentials through the gateway: how the token is asked for, sent, shared and renewed."""

from __future__ import annotations

import hashlib
import json
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from marshmallow import ValidationError

from gateway.errors import CredentialError
from gateway.http_messages import HttpRequest, HttpResponse
from gateway.masking import Secret
from gateway.signers.token_auth.answer import DEFAULT_LIFE_SECONDS
from gateway.signers.token_auth.oauth2 import OAuth2, OAuth2ClientCredentials
from gateway.stores import Store
from sandbox import Sandbox
from sandbox.keys import MERCHANT_PRIVATE_KEY, VENDOR_PUBLIC_KEY
from sandbox.vendors.oauth import CLIENT_ID, CLIENT_SECRET
from tests.gateway.certificates import certificate
from tests.gateway.fakes import FakeClock, Gate, Wire, answer, service
from tests.gateway.signers.proofs import parse_request
from tests.gateway.signers.signing import signer

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


def form_of(request: HttpRequest) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode()))


def fetch_by(**auth: Any) -> HttpRequest:
    """Return the request for a token of these settings."""
    sent: list[HttpRequest] = []

    def send(request: HttpRequest) -> HttpResponse:
        sent.append(request)
        return HttpResponse(200, {}, b'{"access_token": "t"}')

    settings = OAuth2.Settings().load({"type": "oauth2", **auth})
    OAuth2(settings, "https://api.example").fetch_token(send, now=1_700_000_000.0)
    return sent[0]


def test_the_password_grant_sends_name_and_password_and_who_we_are_if_it_is_said() -> None:
    user = {"grant": "password", "username": "ann", "password": "p w", "token_url": "/t"}
    expected = {"grant_type": "password", "username": "ann", "password": "p w"}
    assert form_of(fetch_by(**user)) == expected
    assert form_of(fetch_by(**user, client_id="app")) == {**expected, "client_id": "app"}
    request = fetch_by(**user, client_id="app", client_secret="s")
    assert request.headers["Authorization"] == "Basic YXBwOnM="


def test_a_google_service_account_is_used_as_it_is_downloaded() -> None:
    account = {
        "type": "service_account",
        "client_email": "robot@project.iam.gserviceaccount.com",
        "private_key": MERCHANT_PRIVATE_KEY,
        "private_key_id": "key-7",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    request = fetch_by(service_account=json.dumps(account), scope="a b", sub="ann@example.com")
    assert request.url == "https://oauth2.googleapis.com/token"
    form = form_of(request)
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert "Authorization" not in request.headers
    assertion = form["assertion"]
    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "kid": "key-7", "typ": "JWT"}
    public_key = load_pem_private_key(MERCHANT_PRIVATE_KEY.encode(), None).public_key()
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(
        assertion, public_key, ["RS256"], options=options, audience=account["token_uri"]
    )
    life = claims.pop("exp") - claims.pop("iat")
    assert life == 3600  # "exp" has a maximum of an hour after "iat"
    assert claims == {
        "iss": account["client_email"],
        "aud": account["token_uri"],
        "scope": "a b",
        "sub": "ann@example.com",
    }


def test_a_private_key_may_say_who_we_are_and_no_two_assertions_are_the_same() -> None:
    client = {
        "client_id": "app",
        "client_auth": "private_key_jwt",
        "private_key": MERCHANT_PRIVATE_KEY,
        "token_url": "/t",
    }
    first, second = (form_of(fetch_by(**client)) for _ in range(2))
    assert first["grant_type"] == "client_credentials"
    assert first["client_assertion_type"].endswith(":client-assertion-type:jwt-bearer")
    claims, other = (
        jwt.decode(form["client_assertion"], options={"verify_signature": False})
        for form in (first, second)
    )
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("app", "app", "https://api.example/t")
    assert claims["jti"] != other["jti"]


def test_a_certificate_says_by_its_thumbprints_which_key_it_is_as_entra_wants_it() -> None:
    """learn.microsoft.com/entra/identity-platform/certificate-credentials: x5t, x5t#S256."""
    pem = certificate(VENDOR_PUBLIC_KEY, 7)
    der = ssl.PEM_cert_to_DER_cert(pem)
    form = form_of(
        fetch_by(
            client_id="app",
            client_auth="private_key_jwt",
            private_key=MERCHANT_PRIVATE_KEY,
            certificate=pem,
            algorithm="PS256",
            token_url="/t",
        )
    )
    header = jwt.get_unverified_header(form["client_assertion"])
    assert header["alg"] == "PS256"
    for name, algorithm in (("x5t", "sha1"), ("x5t#S256", "sha256")):
        assert urlsafe_b64decode(header[name] + "==") == hashlib.new(algorithm, der).digest()


@pytest.mark.parametrize(
    ("auth", "key", "message"),
    [
        ({"grant": "jwt_bearer", "issuer": "i", "private_key": MERCHANT_PRIVATE_KEY, "certificate": "c", "token_url": "/t"},
         "certificate", "must be a certificate in PEM"),
        ({"client_id": "a", "client_secret": "b", "certificate": "c", "token_url": "/t"},
         "certificate", "is that of a private_key"),
        ({}, "client_id", "missing"),
        ({"client_id": "a", "token_url": "/t"}, "client_secret", "missing"),
        ({"grant": "password", "token_url": "/t"}, "username", "missing"),
        ({"grant": "jwt_bearer"}, "issuer", "missing"),
        ({"grant": "magic"}, "grant", "must be one of: client_credentials, password, jwt_bearer"),
        ({"service_account": "{}"}, "service_account", "must be a service account's JSON key"),
        ({"grant": "jwt_bearer", "issuer": "i", "private_key": "k", "token_url": "/t"},
         "private_key", "must be an unencrypted private key in PEM that can sign RS256"),
        ({"client_id": "a", "client_auth": "private_key_jwt", "token_url": "/t"}, "private_key", "missing"),
    ],
)  # fmt: skip
def test_what_a_grant_needs_is_told_by_key(auth: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        OAuth2.Settings().load({"type": "oauth2", **auth})
    assert message in refused.value.messages[key][0]


def test_a_github_app_fetches_an_installations_token(open_gate: Open) -> None:
    granted = answer(b'{"token": "ghs_1", "expires_at": "2999-01-01T00:00:00Z"}', "201 Created")
    with Wire([granted, answer()]) as github:
        auth = {
            "type": "github_app",
            "app_id": "7",
            "installation_id": "42",
            "private_key": "${KEY}",
            "permissions": {"issues": "write"},
        }
        methods = {"m": {"http": "GET /repos"}}
        at = open_gate(
            {"s": service(github.url, auth=auth, methods=methods)},
            env={"KEY": MERCHANT_PRIVATE_KEY},
        )
        at.ask()
        token_request, called = (parse_request(raw) for raw in github.heard)
    assert token_request.target == "/app/installations/42/access_tokens"
    assert json.loads(token_request.body) == {"permissions": {"issues": "write"}}
    assertion = token_request.headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(assertion, options={"verify_signature": False})
    assert claims["iss"] == "7"
    assert claims["exp"] - claims["iat"] <= 600
    assert called.headers["authorization"] == "Bearer ghs_1"


def test_a_token_may_be_asked_for_in_json(open_gate: Open) -> None:
    grant = answer(b'{"access_token": "a-token", "expires_in": 60}')
    auth = {**AUTH, "type": "oauth2", "client_auth": "body", "body_format": "json"}
    with Wire([grant, answer()]) as server:
        open_gate({"s": service(server.url, auth=auth, methods=METHODS)}).ask()
    token_request, called = map(parse_request, server.heard)
    assert (token_request.target, token_request.headers["content-type"]) == (
        "/oauth2/token",
        "application/json",
    )
    assert json.loads(token_request.body) == {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    assert called.headers["authorization"] == "Bearer a-token"


def test_a_token_is_refreshed_where_the_vendor_says() -> None:
    auth = {
        "grant": "refresh_token",
        "token_url": "https://acme.example/token",
        "refresh_url": "https://acme.example/refresh",
        "refresh_token": "first",
    }
    assert OAuth2.Settings.token_urls(auth) == (auth["token_url"], auth["refresh_url"])
    token_requests: list[HttpRequest] = []

    def send(request: HttpRequest) -> HttpResponse:
        token_requests.append(request)
        return HttpResponse(200, {}, b'{"access_token": "a", "refresh_token": "second"}')

    signer("oauth2", auth).refresh(send, 0, Secret("first"))
    assert token_requests[0].url == "https://acme.example/refresh"
    assert dict(parse_qsl(token_requests[0].body.decode())) == {
        "grant_type": "refresh_token",
        "refresh_token": "first",
    }


def test_where_tokens_are_refreshed_means_nothing_to_other_grants() -> None:
    with pytest.raises(
        ValidationError, match="is for the grants authorization_code and refresh_token"
    ):
        OAuth2.Settings().load({**AUTH, "type": "oauth2", "refresh_url": "/refresh"})
