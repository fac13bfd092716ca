"""What a browser asks for: origins, preflights, compressed answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from api.errors import MalformedBody
from api.http.error_response import render_error_response
from config import Settings
from tests.gateway.fakes import Wire, answer

ORIGIN = "https://tools.example.com"


@pytest.fixture
def app(make_app: Callable[[Settings], Flask], settings: Settings) -> Flask:
    return make_app(replace(settings, cors_origins=(ORIGIN,)))


def test_a_listed_origin_may_call_and_its_preflight_is_cached(client) -> None:
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }

    answer = client.options("/api/v1/call", headers=headers)

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"].lower() == "authorization"
    assert int(answer.headers["Access-Control-Max-Age"]) >= 60


def test_a_failure_tells_a_listed_origin_too(client) -> None:
    answer = client.post("/api/v1/call", headers={"Origin": ORIGIN})

    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert "X-Request-ID" in exposed
    assert "Content-Range" in exposed  # or a page cannot tell which part of a file it has


def test_another_origin_may_not(client) -> None:
    answer = client.get("/healthz", headers={"Origin": "https://evil.example.com"})

    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip"])
def test_a_long_answer_is_compressed_as_the_caller_accepts(client, coding: str) -> None:
    answer = client.get("/openapi.json", headers={"Accept-Encoding": coding})

    assert answer.headers["Content-Encoding"] == coding
    assert "Accept-Encoding" in answer.headers["Vary"]


@pytest.mark.parametrize("path", ["/api/v1/services", "/console/app.js"])
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip;q=0", None),
        ("gzip; q=0.0, identity", None),
        ("*;q=0", None),
        ("br;q=0, zstd; q=0, *", "gzip"),
        ("gzip; q=0.2, br;q=0.9", "br"),
    ],
)
def test_a_coding_that_the_caller_refuses_is_not_sent(
    client, tokens, path: str, accepted: str, coding: str | None
) -> None:
    answer = client.get(path, headers={**tokens["user"], "Accept-Encoding": accepted})

    assert answer.headers.get("Content-Encoding") == coding


@pytest.mark.parametrize("origin", [None, ORIGIN, "https://evil.example.com"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 200),
        ("/nowhere", 404),
        ("/api/v1/products", 401),
        ("/openapi.json", 200),
        ("/console/app.js", 200),
    ],
)
def test_every_answer_says_that_it_varies_by_origin(
    client, path: str, status: int, origin: str | None
) -> None:
    answer = client.get(path, headers={"Origin": origin} if origin else {})

    assert answer.status_code == status
    assert [name.strip() for name in answer.headers["Vary"].split(",")].count("Origin") == 1
    assert len(answer.headers.getlist("Vary")) == 1


def test_an_answer_that_is_compressed_or_not_modified_varies_by_origin_too(client) -> None:
    first = client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    second = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})

    assert second.status_code == 304
    assert {first.headers["Vary"], second.headers["Vary"]} == {"Accept-Encoding, Origin"}


def test_what_the_server_refuses_by_itself_varies_by_origin_too(app: Flask) -> None:
    assert b"\r\nVary: Origin\r\n" in render_error_response(app, "127.0.0.1", MalformedBody(), None)


def test_without_other_origins_nothing_varies_by_them(
    make_app: Callable[[Settings], Flask], settings: Settings
) -> None:
    assert make_app(settings).test_client().get("/healthz").headers["Vary"] == "Accept-Encoding"


def test_a_stream_varies_by_origin_too(
    make_app: Callable[[Settings], Flask], settings: Settings, tmp_path: Path
) -> None:
    with Wire([answer(b"data: x\n\n", "200 OK", "Content-Type: text/event-stream")]) as vendor:
        methods = {"words": {"http": "GET /", "stream": True}}
        service = {"base_url": vendor.url, "allow_private": True, "methods": methods}
        file = tmp_path / "catalog.yaml"
        file.write_text(json.dumps({"version": 1, "services": {"s": service}}))
        app = make_app(replace(settings, catalog=str(file), cors_origins=(ORIGIN,)))
        token = app.extensions["postern.auth"].tokens.issue("1", "user")[0]
        response = app.test_client().get(
            "/api/v1/call/s/words", headers={"Authorization": f"Bearer {token}"}
        )

    assert response.data == b"data: x\n\n"
    assert response.headers["Vary"] == "Origin"
