"""What proxies in front say of the caller: its address, and the path prefix that they took off."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.auth.lockout import MAX_FAILURES
from api.errors import MalformedBody
from api.http.error_response import render_error_response
from api.http.forwarded import address_of
from config import Settings

WRONG = {"username": "nobody", "password": "wrong"}


@pytest.fixture
def behind(make_app: Callable[[Settings], Flask], settings: Settings) -> Callable[..., FlaskClient]:
    def make_client(**more: Any) -> FlaskClient:
        return make_app(replace(settings, trusted_proxies=1, **more)).test_client()

    return make_client


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4001", "203.0.113.9"),
        (" 203.0.113.9 ", "203.0.113.9"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:4001", "203.0.113.9"),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        ("203.0.113.9:", None),
        ("203.0.113", None),
        ("203.0.113.9, 10.0.0.1", None),
        ("\u0662\u0660\u0663.0.113.9", None),
        ("[203.0.113.9", None),
        ("2001:db8::1]:443", None),
    ],
)
def test_an_address_is_read_with_and_without_port_and_brackets(
    text: str, address: str | None
) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize(
    "form",
    ["203.0.113.9:{}", "[2001:db8:1:2::{}]:4001", "2001:db8:1:2::{}", "[::ffff:cb00:7109]:{}"],
)
def test_one_callers_wrong_logins_count_together_however_its_proxy_writes_it(
    behind: Callable[..., FlaskClient], form: str
) -> None:
    client = behind()
    statuses = [
        client.post(
            "/api/v1/login",
            json={**WRONG, "username": f"nobody{number}"},
            headers={"X-Forwarded-For": form.format(4001 + number)},
        ).status_code
        for number in range(MAX_FAILURES + 1)
    ]
    assert statuses == [401] * MAX_FAILURES + [429]


def test_the_next_network_is_another_caller(behind: Callable[..., FlaskClient]) -> None:
    client = behind()
    for number in range(MAX_FAILURES + 1):
        sent = {"X-Forwarded-For": f"2001:db8:0:{number:x}::1"}
        answer = client.post(
            "/api/v1/login", json={**WRONG, "username": f"nobody{number}"}, headers=sent
        )
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("forwarded_for", "status"),
    [
        ("10.1.2.3:5566", 200),
        ("[::ffff:10.1.2.3]:5566", 200),
        ("203.0.113.9:1", 403),
        ("unknown", 403),
        ("junk", 403),
    ],
)
def test_who_sees_the_metrics_goes_by_the_address_alone(
    behind: Callable[..., FlaskClient], forwarded_for: str, status: int
) -> None:
    client = behind(metrics_allow=("10.0.0.0/8",))
    assert client.get("/metrics", headers={"X-Forwarded-For": forwarded_for}).status_code == status


@pytest.mark.parametrize(
    ("forwarded_for", "address"),
    [
        ("203.0.113.9:4001", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("unknown", "127.0.0.1"),
    ],
)
def test_the_log_has_the_bare_address_and_the_peers_where_a_proxy_says_none(
    behind: Callable[..., FlaskClient],
    capfdbinary: pytest.CaptureFixture[bytes],
    forwarded_for: str,
    address: str,
) -> None:
    behind(log_level="info").get("/healthz", headers={"X-Forwarded-For": forwarded_for})
    [line] = [
        json.loads(log_line)
        for log_line in capfdbinary.readouterr().out.splitlines()
        if b'"request"' in log_line
    ]
    assert line["address"] == address


def test_what_is_no_request_is_logged_with_the_bare_address(
    make_app: Callable[[Settings], Flask],
    settings: Settings,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    render_error_response(
        make_app(replace(settings, log_level="info")), "::ffff:203.0.113.9", MalformedBody(), None
    )
    assert json.loads(capfdbinary.readouterr().out.splitlines()[-1])["address"] == "203.0.113.9"


@pytest.mark.parametrize(
    ("prefix", "server"),
    [
        ("/postern", "/postern"),
        ("/postern/", "/postern"),
        ("/tools/postern-2.0", "/tools/postern-2.0"),
        ("/outer, /inner", "/inner"),
        ('/"><script>', "/"),
        ("//evil.example", "/"),
        ("/a//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\\b", "/"),
        ("/../admin", "/"),
        ("/%2e%2e", "/"),
        ("/a?b", "/"),
        ("/é", "/"),
        ("/" + "a" * 300, "/"),
        ("/", "/"),
    ],
)
def test_a_prefix_is_the_openapi_files_server_and_one_that_is_no_path_counts_for_nothing(
    behind: Callable[..., FlaskClient], prefix: str, server: str
) -> None:
    client = behind()
    answer = client.get(
        "/openapi.json", headers={"X-Forwarded-Prefix": prefix.encode().decode("latin-1")}
    )
    assert answer.json["servers"] == [{"url": server}]
    assert client.get("/openapi.json").json["servers"] == [{"url": "/"}]


def test_a_prefix_counts_only_from_a_trusted_proxy(client: FlaskClient) -> None:
    answer = client.get("/openapi.json", headers={"X-Forwarded-Prefix": "/postern"})
    assert answer.json["servers"] == [{"url": "/"}]


def test_the_openapi_file_under_a_prefix_has_an_etag_of_its_own(
    behind: Callable[..., FlaskClient],
) -> None:
    client = behind()
    plain = client.get("/openapi.json")
    under = {"X-Forwarded-Prefix": "/postern", "If-None-Match": plain.headers["ETag"]}
    moved = client.get("/openapi.json", headers=under)
    second = client.get("/openapi.json", headers={**under, "If-None-Match": moved.headers["ETag"]})
    assert (moved.status_code, second.status_code) == (200, 304)


def test_the_link_to_the_successor_version_is_under_the_prefix(
    behind: Callable[..., FlaskClient],
) -> None:
    answer = behind().get("/api/data/a>b", headers={"X-Forwarded-Prefix": "/postern"})
    assert answer.headers["Link"] == '</postern/api/v1/data/a%3Eb>; rel="successor-version"'
