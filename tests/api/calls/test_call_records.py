"""``/calls``: what happened to a call, as a caller asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from config import Settings
from gateway.trace_context import TraceContext
from sandbox import Sandbox
from tests.api.conftest import patient
from tests.e2e.live import catalog_for
from tests.ports import free_port

CALL = "/api/v1/call/demo/list_items"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, box: Sandbox, tmp_path: Path) -> Settings:
    catalog = tmp_path / "services.yaml"
    catalog.write_text(patient(catalog_for(box)), encoding="utf-8")
    return replace(settings, catalog=str(catalog))


@pytest.fixture
def ask(client: FlaskClient, tokens: dict[str, dict[str, str]]) -> Callable[..., Any]:
    def send(path: str, who: str = "user", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.get(path, headers={**tokens[who], **named})

    return send


def test_a_call_is_found_by_its_request_id(ask: Any, box: Sandbox) -> None:
    answer = ask(CALL, X_Request_ID="mine-1")
    assert answer.status_code == 200
    record = ask("/api/v1/calls/mine-1").json["data"]
    assert record.pop("more") == []
    assert (record["request_id"], record["service"], record["method"], record["code"]) == (
        "mine-1",
        "demo",
        "list_items",
        0,
    )
    [attempt] = record["attempts"]
    assert (attempt["number"], attempt["status"], attempt["host"]) == (
        1,
        200,
        box.url.removeprefix("http://"),
    )
    assert 0 <= attempt["first_byte_ms"] <= attempt["elapsed_ms"] <= record["elapsed_ms"]


def test_a_batch_has_one_request_id_and_several_calls(
    client: FlaskClient, tokens: Any, ask: Any
) -> None:
    calls = [
        {"id": name, "service": "demo", "method": "get_item", "params": {"id": number}}
        for name, number in (("a", 1), ("b", 2))
    ]
    client.post(
        "/api/v1/batch", json={"calls": calls}, headers={**tokens["user"], "X-Request-ID": "mine-2"}
    )
    first = ask("/api/v1/calls/mine-2").json["data"]
    items = [first, *first.pop("more")]
    assert sorted(item["params"]["id"] for item in items) == [1, 2]
    assert len({item["trace_id"] for item in items}) == 1


def test_another_ones_call_is_not_found_but_by_an_admin(ask: Any) -> None:
    ask(CALL, X_Request_ID="mine-3")
    answers = {
        who: ask("/api/v1/calls/mine-3", who).status_code for who in ("user", "guest", "admin")
    }
    assert answers == {"user": 200, "guest": 404, "admin": 200}
    assert ask("/api/v1/calls/nobody-s").json["error"]["type"] == "not_found"


def test_the_last_failed_calls_are_listed(ask: Any, box: Sandbox) -> None:
    ask(CALL, X_Request_ID="good")
    box.fault("/items", "status=404")
    ask(CALL, X_Request_ID="bad")

    def ids(path: str, who: str = "user") -> list[str]:
        return [record["request_id"] for record in ask(path, who).json["data"]["items"]]

    assert ids("/api/v1/calls?failed=true&limit=20") == ["bad"]
    assert ids("/api/v1/calls") == ["bad", "good"]
    assert ids("/api/v1/calls?limit=1", "admin") == ["bad"]
    assert ids("/api/v1/calls", "guest") == []


def test_the_calls_are_filtered_and_come_in_pages(ask: Any, box: Sandbox) -> None:
    for number in range(3):
        ask(CALL, X_Request_ID=f"good-{number}")
    box.fault("/items", "status=404")
    ask(CALL, "admin", X_Request_ID="bad")

    def listed(query: str) -> tuple[list[str], int]:
        data = ask(f"/api/v1/calls?{query}", "admin").json["data"]
        return [record["request_id"] for record in data["items"]], data["total"]

    caller = ask("/api/v1/calls/bad", "admin").json["data"]["caller"]
    assert listed(f"caller={caller}") == (["bad"], 1)
    assert listed("code=-1006&service=demo&method=list_items") == (["bad"], 1)
    assert listed("service=maps") == ([], 0)
    assert listed("code=0&skip=1&limit=1") == (["good-1"], 3)
    assert listed("since=2001-01-01T00:00:00Z&limit=1") == (["bad"], 4)
    assert listed("since=9000-01-01") == ([], 0)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=x", "failed=maybe", "what=1", "code=1", "code=x", "skip=-1",
        "since=yesterday", "since=0001-01-01T00:00:00Z", "service=", "caller=%00",
    ],
)  # fmt: skip
def test_a_wrong_question_is_a_400(ask: Any, query: str) -> None:
    assert ask(f"/api/v1/calls?{query}").json["code"] == -3003


def test_a_callers_trace_goes_on_to_the_service_and_a_wrong_one_does_not(
    ask: Any, box: Sandbox
) -> None:
    ask(CALL, traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="vendor=1")
    ask(CALL, traceparent="nonsense", tracestate="vendor=1")
    good, bad = (request.headers for request in box.requests)
    assert (good["traceparent"].split("-")[1], good["tracestate"]) == (TRACE, "vendor=1")
    assert TraceContext.from_headers(bad["traceparent"])
    assert TRACE not in bad["traceparent"]
    assert "tracestate" not in bad
