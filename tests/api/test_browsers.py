"""What a browser asks for: origins, preflights, compressed answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask

from config import Settings

ORIGIN = "https://tools.example.com"


@pytest.fixture
def app(make_app: Callable[[Settings], Flask], settings: Settings) -> Flask:
    return make_app(replace(settings, cors_origins=(ORIGIN,)))


def test_a_listed_origin_may_call_and_its_preflight_is_cached(client) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }

    answer = client.options("/api/v1/call", headers=asked)

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"].lower() == "authorization"
    assert int(answer.headers["Access-Control-Max-Age"]) >= 60


def test_a_failure_tells_a_listed_origin_too(client) -> None:
    answer = client.post("/api/v1/call", headers={"Origin": ORIGIN})

    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


def test_another_origin_may_not(client) -> None:
    answer = client.get("/healthz", headers={"Origin": "https://evil.example.com"})

    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip"])
def test_a_long_answer_is_compressed_as_the_caller_accepts(client, coding: str) -> None:
    answer = client.get("/openapi.json", headers={"Accept-Encoding": coding})

    assert answer.headers["Content-Encoding"] == coding
    assert "Accept-Encoding" in answer.headers["Vary"]
