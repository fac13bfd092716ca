"""Calls whose answer comes out of the cache."""

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
    methods: {{m: {{http: GET /, cache: {{ttl: 60}}}}}}
"""
BODY = (
    b'{"big": 123456789012345678901234567890, "float": 1.0, "small": 1e-7, "at": 5,'
    b' "text": "\\u00fc \\ud800 ,\\"at\\":1}", "none": null, "list": [{}]}'
)


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    with Wire([answer(BODY)]) as vendor:
        file = tmp_path / "catalog.yaml"
        file.write_text(CATALOG.format(url=vendor.url))
        yield replace(settings, catalog=str(file))


def ask(client: FlaskClient, tokens: Any) -> tuple[str, bytes]:
    response = client.get("/api/v1/call/s/m", headers=tokens["user"])
    _, _, rest = response.data.partition(b'"data":')
    return response.headers["X-Cache"], rest.partition(b',"request_id":')[0]


def test_a_cached_answer_is_sent_as_the_first_was(client: FlaskClient, tokens: Any) -> None:
    outcome, data = ask(client, tokens)
    assert (outcome, data.count(b"123456789012345678901234567890")) == ("MISS", 1)
    assert ask(client, tokens) == ("HIT", data)


def test_a_cached_answer_is_a_part_of_a_batch_like_any_other(
    client: FlaskClient, tokens: Any
) -> None:
    _, data = ask(client, tokens)
    calls = [{"id": "a", "service": "s", "method": "m"}]
    batch = client.post("/api/v1/batch", headers=tokens["user"], json={"calls": calls})
    assert b'"data":' + data in batch.data
