"""Signed requests at the door."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import EnvironBuilder

from api.auth.app_signature import wire_target
from config import Settings
from gateway.masking import Secret
from models import App, Database
from tests.clock import FakeClock

TARGET = "/me?b=2&a=%E5%8C%97"


@pytest.fixture
def sign(shop: str, clock: FakeClock) -> Callable[..., dict[str, str]]:
    """The headers of one signed request; what is given by name is used instead."""

    def headers(**overrides: Any) -> dict[str, str]:
        part = {
            "verb": "POST", "target": TARGET, "timestamp": str(int(clock.wall())), "nonce": "nonce-0001", "body": b"{}",
            "secret": shop, "app_id": "shop", **overrides,
        }  # fmt: skip
        lines = (
            part["verb"],
            part["target"],
            part["timestamp"],
            part["nonce"],
            hashlib.sha256(part["body"]).hexdigest(),
        )
        signature = hmac.new(
            part["secret"].encode(), "\n".join(lines).encode(), hashlib.sha256
        ).hexdigest()
        return {
            "X-App-Id": part["app_id"],
            "X-Timestamp": part["timestamp"],
            "X-Nonce": part["nonce"],
            "X-Signature": part.get("signature", signature),
        }

    return headers


def send(
    client: FlaskClient, headers: dict[str, str], target: str = TARGET, body: bytes = b"{}"
) -> tuple[int, int]:
    answer = client.post(target, headers=headers, data=body)
    return answer.status_code, answer.json["code"]


def test_a_signed_request_is_the_apps(
    client: FlaskClient, sign: Callable[..., dict[str, str]]
) -> None:
    answer = client.post(TARGET, headers=sign(), data=b"{}")
    assert answer.json["data"] == {
        "id": "app:shop",
        "role": "user",
        "allow": ["wechat.*"],
        "body": "{}",
    }


@pytest.mark.parametrize("missing", ["X-App-Id", "X-Timestamp", "X-Nonce", "X-Signature"])
def test_a_missing_header_is_no_proof(
    client: FlaskClient, sign: Callable[..., dict[str, str]], missing: str
) -> None:
    headers = sign()
    del headers[missing]
    assert send(client, headers) == (401, -2001)
    assert send(client, {**headers, missing: ""}) == (401, -2001)


def test_changed_path_query_verb_or_body_breaks_the_signature(
    client: FlaskClient, sign: Callable[..., dict[str, str]]
) -> None:
    assert send(client, sign(target="/write?b=2&a=%E5%8C%97")) == (401, -1002)
    assert send(client, sign(), target="/me?a=%E5%8C%97&b=2") == (401, -1002)
    assert send(client, sign(), target="/me?b=2&a=%e5%8c%97") == (401, -1002)
    assert send(client, sign(), target="/me") == (401, -1002)
    assert send(client, sign(verb="GET")) == (401, -1002)
    assert send(client, sign(), body=b"{} ") == (401, -1002)


@pytest.mark.parametrize("header", ["X-Timestamp", "X-Nonce"])
def test_changed_time_or_nonce_breaks_the_signature(
    client: FlaskClient, sign: Callable[..., dict[str, str]], header: str
) -> None:
    headers = sign()
    assert send(client, {**headers, header: headers[header] + "0"}) == (401, -1002)


@pytest.mark.parametrize("signature", ["-", "é", "0" * 64, "A" * 64])
def test_what_is_no_signature_does_not_verify(
    client: FlaskClient, sign: Callable[..., dict[str, str]], signature: str
) -> None:
    assert send(client, sign(signature=signature)) == (401, -1002)


def test_the_signature_is_lower_case_hex(
    client: FlaskClient, sign: Callable[..., dict[str, str]]
) -> None:
    headers = sign()
    assert send(client, {**headers, "X-Signature": headers["X-Signature"].upper()}) == (401, -1002)
    assert send(client, headers) == (200, 0)


def test_an_unknown_a_disabled_and_a_wrongly_signing_app_get_the_same_answer_for_the_same_work(
    app: Flask,
    client: FlaskClient,
    sign: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digests: list[hmac.HMAC] = []
    real = hmac.HMAC.copy
    attempts = [sign(app_id="nobody"), sign(secret="wrong"), sign()]
    monkeypatch.setattr(hmac.HMAC, "copy", lambda key: digests.append(key) or real(key))

    def refusal(headers: dict[str, str]) -> tuple[Any, int]:
        digests.clear()
        answer = client.post(TARGET, headers=headers, data=b"{}")
        return {name: answer.json[name] for name in ("code", "message", "error")}, len(digests)

    unknown, wrong = refusal(attempts[0]), refusal(attempts[1])
    with app.extensions["postern"].database.write_session() as session:
        App.by_app_id(session, "shop").disabled = True
    assert unknown == wrong == refusal(attempts[2])
    assert unknown[0]["code"] == -1002


def test_both_live_secrets_sign_while_one_is_changed(
    app: Flask, client: FlaskClient, sign: Callable[..., dict[str, str]], shop: str
) -> None:
    secrets = app.extensions["postern.auth"].app_secrets
    new = secrets.make()
    with app.extensions["postern"].database.write_session() as session:
        row = App.by_app_id(session, "shop")
        row.secret, row.previous_secret = secrets.seal(new), row.secret

    assert send(client, sign(secret=shop)) == (200, 0)
    assert send(client, sign(secret=new.reveal(), nonce="nonce-0002")) == (200, 0)

    with app.extensions["postern"].database.write_session() as session:
        App.by_app_id(session, "shop").previous_secret = None
    assert send(client, sign(secret=shop, nonce="nonce-0003")) == (401, -1002)


@pytest.mark.parametrize("off", [-300, 300])
def test_a_timestamp_may_be_off_by_300_seconds(
    client: FlaskClient, sign: Callable[..., dict[str, str]], clock: FakeClock, off: int
) -> None:
    assert send(client, sign(timestamp=str(int(clock.wall()) + off))) == (200, 0)


@pytest.mark.parametrize("off", [-301, 301])
def test_a_timestamp_off_by_more_is_refused(
    client: FlaskClient, sign: Callable[..., dict[str, str]], clock: FakeClock, off: int
) -> None:
    assert send(client, sign(timestamp=str(int(clock.wall()) + off))) == (401, -2005)


@pytest.mark.parametrize("timestamp", ["now", "1800000000.0", "-1", "1" * 400])
def test_a_timestamp_that_is_no_whole_number_is_refused(
    client: FlaskClient, sign: Callable[..., dict[str, str]], timestamp: str
) -> None:
    assert send(client, sign(timestamp=timestamp)) == (401, -2005)


@pytest.mark.parametrize(
    ("length", "answer"), [(7, (401, -2005)), (8, (200, 0)), (64, (200, 0)), (65, (401, -2005))]
)
def test_a_nonce_has_8_to_64_characters(
    client: FlaskClient, sign: Callable[..., dict[str, str]], length: int, answer: tuple[int, int]
) -> None:
    assert send(client, sign(nonce="n" * length)) == answer


def test_a_nonce_is_good_once_for_as_long_as_its_timestamp_counts(
    client: FlaskClient, sign: Callable[..., dict[str, str]], clock: FakeClock
) -> None:
    headers = sign(timestamp=str(int(clock.wall()) + 300))
    assert send(client, headers) == (200, 0)
    assert send(client, headers) == (401, -2005)
    clock.advance(600)
    assert send(client, headers) == (401, -2005)
    clock.advance(1)
    assert send(client, headers) == (401, -2005)
    assert send(client, sign()) == (200, 0)


def test_nobody_can_use_up_a_nonce_without_a_right_signature(
    client: FlaskClient, sign: Callable[..., dict[str, str]]
) -> None:
    assert send(client, sign(secret="wrong")) == (401, -1002)
    assert send(client, sign()) == (200, 0)


def test_a_bad_signature_is_not_made_up_for_by_a_good_bearer_token(
    app: Flask, client: FlaskClient, sign: Callable[..., dict[str, str]]
) -> None:
    token, _ = app.extensions["postern.auth"].tokens.issue("1", "admin")
    assert send(client, {**sign(secret="wrong"), "Authorization": f"Bearer {token}"}) == (
        401,
        -1002,
    )
    assert send(client, {"X-App-Id": "shop", "Authorization": f"Bearer {token}"}) == (401, -2001)


def test_an_authorization_meant_for_somebody_else_does_not_disturb_a_signature(
    client: FlaskClient, sign: Callable[..., dict[str, str]]
) -> None:
    assert send(client, {**sign(), "Authorization": "Bearer the-vendors-own"}) == (200, 0)


def test_an_app_secret_is_not_in_the_database_as_it_is(app: Flask, shop: str) -> None:
    with app.extensions["postern"].database.read_session() as session:
        assert shop not in App.by_app_id(session, "shop").secret


def test_an_app_keeps_its_secret_when_the_jwt_secret_is_changed(
    make_app: Callable[[Settings], Flask], settings: Settings, sign: Callable[..., dict[str, str]]
) -> None:
    another = Secret("another secret of 32 bytes or more")
    changed = replace(settings, jwt_secret=another, jwt_previous_secrets=(settings.jwt_secret,))
    assert send(make_app(changed).test_client(), sign()) == (200, 0)


def test_a_secret_read_under_an_old_key_is_sealed_anew_so_that_the_old_key_may_go(
    make_app: Callable[[Settings], Flask], settings: Settings, sign: Callable[..., dict[str, str]]
) -> None:
    key = Secret("a key for secrets, 32 bytes or more")
    first = make_app(replace(settings, secrets_key=key))
    assert send(first.test_client(), sign(nonce="nonce-0001")) == (200, 0)
    newer = Secret("a newer key for secrets, 32 bytes...")
    both = replace(settings, secrets_key=newer, secrets_previous_keys=(key,))
    assert send(make_app(both).test_client(), sign(nonce="nonce-0002")) == (200, 0)
    only_newer = replace(settings, secrets_key=newer, jwt_secret=Secret("x" * 32))
    assert send(make_app(only_newer).test_client(), sign(nonce="nonce-0003")) == (200, 0)


def test_a_secret_that_no_key_opens_is_our_fault_and_told_by_readyz_and_a_metric(
    make_app: Callable[[Settings], Flask], settings: Settings, sign: Callable[..., dict[str, str]]
) -> None:
    client = make_app(replace(settings, jwt_secret=Secret("y" * 32))).test_client()
    assert send(client, sign()) == (503, -5001)
    assert client.get("/readyz").json["data"]["secrets"] == "of 1 app; see flask secrets status"
    assert "postern_app_secrets_unreadable 1.0" in client.get("/metrics").text


def test_without_the_raw_target_it_is_quoted_anew() -> None:
    environ = EnvironBuilder("/a b/%2B?q=%20+").get_environ()
    environ.pop("RAW_URI")
    environ.pop("REQUEST_URI")
    assert wire_target(environ) == "/a%20b/+?q=%20+"


def test_the_absolute_form_counts_as_its_path_and_query() -> None:
    environ = {**EnvironBuilder("/me").get_environ(), "RAW_URI": "http://gate.example/me?a=%2f"}
    assert wire_target(environ) == "/me?a=%2f"


def example() -> ModuleType:
    file = Path(__file__).parents[3] / "examples" / "clients" / "postern_auth.py"
    spec = importlib.util.spec_from_file_location("postern_auth", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("body", [None, b"raw", "文", {"a": "form"}])
def test_the_example_signs_what_requests_sends(
    client: FlaskClient, shop: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    module = example()
    monkeypatch.setattr(module.time, "time", clock.wall)
    request = requests.Request(
        "POST",
        "http://postern/me",
        params={"q": "北 京"},
        data=body,
        auth=module.PosternAuth("shop", shop),
    ).prepare()
    assert send(client, dict(request.headers), request.path_url, request.body or b"") == (200, 0)


@pytest.mark.parametrize("by_this_process", [True, False])
def test_an_app_that_is_disabled_signs_no_more_at_once_here_and_a_second_later_elsewhere(
    app: Flask,
    client: FlaskClient,
    sign: Callable[..., dict[str, str]],
    clock: FakeClock,
    settings: Settings,
    by_this_process: bool,
) -> None:
    assert send(client, sign(nonce="nonce-0001"))[0] == 200
    database = app.extensions["postern"].database
    if not by_this_process:
        database = Database(settings.database_url)
    with database.write_session() as session:
        App.by_app_id(session, "shop").disabled = True
    if not by_this_process:
        database.close()
        clock.advance(1.0)
    assert send(client, sign(nonce="nonce-0002")) == (401, -1002)


@pytest.mark.parametrize("change", ["made", "enabled", "given a new secret"])
def test_an_app_that_another_process_has_just_changed_signs_at_once(
    app: Flask,
    client: FlaskClient,
    sign: Callable[..., dict[str, str]],
    settings: Settings,
    change: str,
) -> None:
    secrets = app.extensions["postern.auth"].app_secrets
    new = secrets.make()
    database = app.extensions["postern"].database
    if change == "enabled":
        with database.write_session() as session:
            App.by_app_id(session, "shop").disabled = True
        assert send(client, sign(nonce="nonce-0001")) == (401, -1002)
    else:
        assert send(client, sign(nonce="nonce-0001")) == (200, 0)
    elsewhere = Database(settings.database_url)
    with elsewhere.write_session() as session:
        if change == "made":
            session.add(App(app_id="new", secret=secrets.seal(new), allow=["*"]))
        elif change == "enabled":
            App.by_app_id(session, "shop").disabled = False
        else:
            App.by_app_id(session, "shop").secret = secrets.seal(new)
    elsewhere.close()
    how = {"enabled": {}, "made": {"app_id": "new", "secret": new.reveal()}}
    proof = how.get(change, {"secret": new.reveal()})
    assert send(client, sign(nonce="nonce-0002", **proof)) == (200, 0)


def test_signed_requests_read_the_apps_once_a_second(
    app: Flask, client: FlaskClient, sign: Callable[..., dict[str, str]]
) -> None:
    for nonce in ("nonce-0000", "nonce-0001"):  # the first one notes when the app was used
        assert send(client, sign(nonce=nonce))[0] == 200
    statements: list[str] = []
    database = app.extensions["postern"].database
    for engine in (database.engine, database.write_engine):
        event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert send(client, sign(nonce="nonce-0002"))[0] == 200
    assert not statements
