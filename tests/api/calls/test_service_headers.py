"""A service's own headers that a method declares, in answers over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from config import Settings
from tests.gateway.fakes import Wire, answer

CATALOG = """
version: 1
services:
  s:
    base_url: "{url}"
    allow_private: true
    methods:
      m: {{http: GET /, cache: {{ttl: 60}}, response_headers: [Link, X-Total-Count, ETag]}}
"""
LINK = '<https://a.example/items?page=2>; rel="next"'
BODY = b'{"items": ["' + b"x" * 2000 + b'"]}'
ORIGIN = "https://tools.example"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    raw = answer(BODY, "200 OK", f"Link: {LINK}", "X-Total-Count: 41", 'ETag: "v1"', "X-Other: 1")
    with Wire([raw]) as vendor:
        file = tmp_path / "catalog.yaml"
        file.write_text(CATALOG.format(url=vendor.url))
        yield replace(settings, catalog=str(file), cors_origins=(ORIGIN,))


@pytest.fixture
def headers(tokens: Any) -> dict[str, str]:
    return {**tokens["user"], "Accept-Encoding": "gzip", "Origin": ORIGIN}


def test_an_answer_has_the_declared_headers_as_the_service_sent_them(
    client: FlaskClient, headers: Any
) -> None:
    for outcome in ("MISS", "HIT"):
        response = client.get("/api/v1/call/s/m", headers=headers)
        assert (response.headers["X-Cache"], response.headers["Link"]) == (outcome, LINK)
        assert response.headers["X-Total-Count"] == "41"
        assert (response.headers["Content-Encoding"], response.headers["ETag"]) == ("gzip", '"v1"')
        assert "X-Other" not in response.headers


def test_a_script_of_another_origin_may_read_them(client: FlaskClient, headers: Any) -> None:
    response = client.get("/api/v1/call/s/m", headers=headers)
    exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"Link", "X-Total-Count", "X-Request-ID"} <= set(exposed)


def test_under_an_old_path_the_successors_link_stands_beside_the_services(
    client: FlaskClient, headers: Any
) -> None:
    response = client.get("/api/call/s/m", headers=headers)
    links = response.headers.getlist("Link")
    assert LINK in links
    assert any("successor-version" in link for link in links)


def test_a_part_of_a_batch_has_them_in_its_envelope(client: FlaskClient, tokens: Any) -> None:
    calls = [{"id": "a", "service": "s", "method": "m"}]
    response = client.post("/api/v1/batch", headers=tokens["user"], json={"calls": calls})
    part = response.json["data"]["a"]
    assert part["headers"] == {"Link": LINK, "X-Total-Count": "41", "ETag": '"v1"'}
