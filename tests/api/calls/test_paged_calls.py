"""``X-Paginate``, and ``next`` beside the data of one page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import Settings
from sandbox import Sandbox
from sandbox.vendors.lists import COUNT
from tests.ports import free_port

INTEGER = {"type": "integer"}
CHANNELS = {
    "http": "GET /api/conversations.list",
    "params": {"limit": INTEGER, "cursor": {"type": "string"}},
    "envelope": {"code": "ok", "ok": [True], "message": "error", "data": "channels"},
    "paginate": {"by": "cursor", "cursor": "response_metadata.next_cursor", "param": "cursor"},
    "cache": {"ttl": 60},
}
METHODS = {
    "channels": CHANNELS,
    "offsets": {
        "http": "GET /lists/offsets",
        "params": {"skip": INTEGER},
        "paginate": {"by": "offset", "param": "skip", "items": "value", "total": "count"},
    },
    "plain": {"http": "GET /anything"},
}
FIRST = {"cursor": "Y2hhbm5lbDoxMA=="}
ALL = {"X-Paginate": "all"}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    with Sandbox(port=free_port()) as box:
        service = {"base_url": box.url, "allow_private": True, "methods": METHODS, "proxy": True}
        aggregate = {"part": {"call": "s.channels"}}
        catalog = {"version": 1, "services": {"s": service}, "aggregates": {"both": aggregate}}
        file = tmp_path / "catalog.yaml"
        file.write_text(json.dumps(catalog))
        yield replace(settings, catalog=str(file))


@pytest.fixture
def token(tokens: Any) -> dict[str, str]:
    headers: dict[str, str] = tokens["user"]
    return headers


def test_the_next_page_stands_beside_the_data_of_every_form_of_a_call(
    client: FlaskClient, token: Any
) -> None:
    whole = {"service": "s", "method": "channels"}
    answers = [
        client.get("/api/v1/call/s/channels", headers=token),
        client.get("/api/v1/call/s/channels", headers=token),
        client.post("/api/v1/call/s/channels", json={}, headers=token),
        client.post("/api/v1/call", json=whole, headers=token),
    ]
    assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT", "HIT", "HIT"]
    assert [answer.json["next"] for answer in answers] == [FIRST] * 4
    assert [len(answer.json["data"]) for answer in answers] == [10] * 4


def test_what_stands_there_is_sent_as_it_is(client: FlaskClient, token: Any) -> None:
    params: Any = {}
    names = []
    while params is not None:
        answer = client.post("/api/v1/call/s/channels", json=params, headers=token).json
        names += [item["id"] for item in answer["data"]]
        params = answer["next"]
    assert names == [f"C{number}" for number in range(COUNT)]


def test_all_pages_are_one_answer_in_every_form_of_a_call(client: FlaskClient, token: Any) -> None:
    headers = {**token, **ALL}
    whole = {"service": "s", "method": "offsets"}
    for answer in (
        client.get("/api/v1/call/s/offsets", headers=headers),
        client.post("/api/v1/call/s/offsets", json={}, headers=headers),
        client.post("/api/v1/call", json=whole, headers=headers),
    ):
        assert answer.status_code == 200
        assert answer.json["data"] == list(range(COUNT))
        assert answer.json["next"] is None
        assert answer.headers["X-Attempts"] == "3"


def test_a_method_without_pages_says_nothing_of_them(client: FlaskClient, token: Any) -> None:
    assert "next" not in client.get("/api/v1/call/s/plain", headers=token).json


@pytest.mark.parametrize("word", ["", "All", "yes", "all, all"])
def test_another_word_than_all_is_refused(client: FlaskClient, token: Any, word: str) -> None:
    answer = client.get("/api/v1/call/s/offsets", headers={**token, "X-Paginate": word})
    assert (answer.status_code, answer.json["code"]) == (400, -3003)
    assert answer.json["error"]["fields"] == {"X-Paginate": ["Must be all."]}


def test_all_pages_of_a_method_without_any_are_refused(client: FlaskClient, token: Any) -> None:
    answer = client.get("/api/v1/call/s/plain", headers={**token, **ALL})
    assert (answer.status_code, answer.json["code"]) == (400, -3003)
    assert list(answer.json["error"]["fields"]) == ["X-Paginate"]


def test_a_batch_asks_for_all_pages_of_single_calls(client: FlaskClient, token: Any) -> None:
    call = {"service": "s", "method": "channels"}
    calls = [{"id": "one", **call}, {"id": "all", **call, "paginate": "all"}]
    data = client.post("/api/v1/batch", json={"calls": calls}, headers=token).json["data"]
    assert (len(data["one"]["data"]), data["one"]["next"]) == (10, FIRST)
    assert (len(data["all"]["data"]), data["all"]["next"]) == (COUNT, None)
    wrong = [{"id": "a", **call, "paginate": "yes"}]
    answer = client.post("/api/v1/batch", json={"calls": wrong}, headers=token)
    assert answer.json["error"]["fields"] == {
        "calls": {"0": {"paginate": ["Must be one of: all."]}}
    }


def test_the_header_is_for_one_call(client: FlaskClient, token: Any) -> None:
    headers = {**token, **ALL}
    calls = [{"id": "a", "service": "s", "method": "channels"}]
    batch = client.post("/api/v1/batch", json={"calls": calls}, headers=headers)
    aggregate = client.get("/api/v1/aggregate/both", headers=headers)
    for answer in (batch, aggregate):
        assert (answer.status_code, answer.json["code"]) == (400, -3003)
        assert list(answer.json["error"]["fields"]) == ["X-Paginate"]


def test_the_header_of_a_proxied_request_is_the_vendors(client: FlaskClient, token: Any) -> None:
    headers = {**token, "X-Paginate": "yes"}
    answer = client.get("/api/v1/proxy/s/anything", headers=headers)
    assert answer.json["headers"]["x-paginate"] == "yes"


def test_the_command_line_gathers_pages_too(app: Flask) -> None:
    run = app.test_cli_runner().invoke
    one = json.loads(run(args=["call", "s", "channels"]).stdout)
    assert one["next"] == FIRST
    every = json.loads(run(args=["call", "s", "channels", "--paginate"]).stdout)
    assert (len(every["data"]), every["next"]) == (COUNT, None)
    refused = run(args=["call", "s", "plain", "--paginate", "--dry-run"])
    assert refused.exit_code == 2
    assert "--paginate" in refused.stderr
