"""What a browser is told not to do, on every answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask

from config import Settings

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.mark.parametrize(
    "path", ["/", "/console/app.js", "/healthz", "/openapi.json", "/nowhere", "/api/v1/services"]
)
def test_every_answer_says_what_a_browser_may_not_do(client, path: str) -> None:
    headers = client.get(path).headers
    assert {name: headers[name] for name in EVERYWHERE} == EVERYWHERE
    assert len(headers.getlist("Content-Security-Policy")) == 1
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_the_page_may_load_what_is_ours_and_nothing_else(client) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert {name for name, value in rules.items() if value == "'self'"} == {
        "script-src", "style-src", "img-src", "connect-src",
    }  # fmt: skip
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize(("scheme", "is_strict"), [("https", True), ("http", False)])
def test_https_is_asked_for_only_of_who_came_by_it(
    make_app: Callable[[Settings], Flask], settings: Settings, scheme: str, is_strict: bool
) -> None:
    client = make_app(replace(settings, trusted_proxies=1)).test_client()
    answer = client.get("/healthz", headers={"X-Forwarded-Proto": scheme})
    assert ("Strict-Transport-Security" in answer.headers) is is_strict


def test_an_answer_with_a_secret_is_stored_nowhere(client, tokens) -> None:
    app = client.post("/api/v1/apps", json={"app_id": "a", "allow": ["*"]}, headers=tokens["admin"])
    login = client.post("/api/v1/login", json={"username": "nobody", "password": "wrong"})
    assert app.headers["Cache-Control"] == login.headers["Cache-Control"] == "no-store"
