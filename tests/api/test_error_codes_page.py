"""``error.docs`` of every failure leads to a row that says what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.errors import MalformedBody
from api.http.error_response import DOCS, STATUS, render_error_response
from config import Settings

ROW = re.compile(r'<tr id="(-?\d+)">(.*?)</tr>', re.DOTALL)
CELL = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>", re.DOTALL)
CALLS = [
    {"id": "a", "service": "nowhere", "method": "x"},
    {"id": "b", "service": "maps", "method": "x"},
]


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def rows(client: FlaskClient, language: str, path: str = "/docs/errors") -> dict[int, list[str]]:
    page = client.get(path, headers={"Accept-Language": language})
    assert page.status_code == 200
    return {
        int(code): [unescape(re.sub(r"<[^>]+>", "", cell)) for cell in CELL.findall(row)]
        for code, row in ROW.findall(page.text)
    }


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_code_has_a_row_with_its_status_and_what_to_do(
    client: FlaskClient, language: str
) -> None:
    cells = rows(client, language)
    assert cells.keys() == {0, *STATUS}
    for code, status in STATUS.items():
        _, statuses, error_type, _, when, what_to_do = cells[code]
        assert str(status) in statuses
        assert error_type
        assert len(when) > 2, code
        assert len(what_to_do) > 5, code


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("en", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh-TW", "zh-CN"),
        ("en-GB,zh;q=0.5", "en"),
        ("zh;q=0, fr", "en"),
        ("fr", "en"),
        ("", "en"),
    ],
)
def test_the_page_is_in_the_readers_language(
    client: FlaskClient, accept: str, language: str
) -> None:
    page = client.get("/docs/errors", headers={"Accept-Language": accept})
    assert page.headers["Content-Language"] == language
    assert f'<html lang="{language}">' in page.text
    assert page.headers["Vary"] == "Accept-Encoding, Accept-Language"
    second = client.get(
        "/docs/errors",
        headers={"Accept-Language": accept, "If-None-Match": page.headers["ETag"]},
    )
    assert second.status_code == 304


def test_a_link_to_the_other_language_works_and_no_other_file_is_given_out(
    client: FlaskClient,
) -> None:
    page = client.get("/docs/errors")
    targets = re.findall(r'<a href="([^#"]+)"', page.text)
    assert targets == ["errors.zh-CN.md"]
    assert rows(client, "en", f"/docs/{targets[0]}") == rows(client, "zh")
    for name in ("calling", "../README", "errors.zh-CN.md"):
        assert client.get(f"/docs/{name}.md").status_code == 404


def test_the_page_runs_no_script_and_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/docs/errors")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    assert re.findall(r'(?:src|href)="([^#"]+)"', page.text) == [
        "data:,",
        "errors.css",
        "errors.zh-CN.md",
    ]
    assert client.get("/docs/errors.css").mimetype == "text/css"


def test_a_failure_and_each_failed_call_of_a_batch_have_their_link(
    client: FlaskClient, tokens: dict[str, Any]
) -> None:
    assert client.get("/nowhere").json["error"]["docs"] == "/docs/errors#-3004"
    assert client.get("/api/v1/services").json["error"]["docs"] == "/docs/errors#-2001"
    batch = client.post("/api/v1/batch", json={"calls": CALLS}, headers=tokens["user"]).json
    assert batch["error"]["docs"] == "/docs/errors#-1013"
    assert {part["error"]["docs"] for part in batch["data"].values()} == {"/docs/errors#-3004"}


def test_under_a_prefix_the_link_leads_under_it(
    make_app: Callable[[Settings], Flask], settings: Settings, tokens: dict[str, Any]
) -> None:
    client = make_app(replace(settings, trusted_proxies=1)).test_client()
    headers = {**tokens["user"], "X-Forwarded-Prefix": "/tools/postern"}
    missing = client.get("/nowhere", headers=headers).json
    assert missing["error"]["docs"] == "/tools/postern/docs/errors#-3004"
    batch = client.post("/api/v1/batch", json={"calls": CALLS}, headers=headers).json
    assert {part["error"]["docs"] for part in batch["data"].values()} == {
        "/tools/postern/docs/errors#-3004"
    }


def test_what_the_server_refuses_itself_has_its_link(app: Flask) -> None:
    _, _, body = render_error_response(app, "127.0.0.1", MalformedBody(), None).partition(
        b"\r\n\r\n"
    )
    assert json.loads(body)["error"]["docs"] == DOCS[-3001] == "/docs/errors#-3001"
