"""Batches and aggregates over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandbox import Sandbox
from tests.api.conftest import ROOT, patient
from tests.ports import free_port


@pytest.fixture
def box():
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture
def settings(settings, box, tmp_path):
    """The catalog that ships, against this sandbox, without waits between attempts."""
    file = tmp_path / "services.yaml"
    text = (
        (ROOT / "services.yaml")
        .read_text(encoding="utf-8")
        .replace("http://127.0.0.1:${SANDBOX_PORT:-5099}", box.url)
    )
    text = patient(text).replace("retry: {times: 2", "retry: {times: 0")
    file.write_text(text, encoding="utf-8")
    return replace(settings, catalog=str(file))


@pytest.fixture
def token(tokens):
    return tokens["user"]


def ask(client, token, calls):
    return client.post("/api/v1/batch", json={"calls": calls}, headers=token)


def call(name, method="demo.list_items", **more):
    service, method = method.split(".")
    return {"id": name, "service": service, "method": method, **more}


def test_every_call_of_a_batch_has_its_own_envelope(client, token) -> None:
    answer = ask(client, token, [call("a"), call("b", "maps.geocode", params={"address": "北京"})])

    assert (answer.status_code, answer.json["code"]) == (200, 0)
    assert list(answer.json["data"]) == ["a", "b"]
    for result in answer.json["data"].values():
        assert set(result) == {"code", "message", "data", "elapsed_ms"}
        assert (result["code"], result["message"]) == (0, "success")
        assert result["elapsed_ms"] >= 0
    assert answer.json["data"]["b"]["data"][0]["adcode"] == "110000"


def test_a_failed_call_makes_a_batch_a_partial_failure_unless_it_is_optional(client, token) -> None:
    bad = call("bad", "demo.misbehave", params={"fault": "status=503"})

    answer = ask(client, token, [call("good"), bad])
    spared = ask(client, token, [call("good"), {**bad, "optional": True}])

    assert (answer.status_code, answer.json["code"], answer.json["error"]) == (
        207, -1013,
            {"type": "partial_failure", "source": "downstream", "retryable": True, "docs": "/docs/errors#-1013"},
    )  # fmt: skip
    result = answer.json["data"]["bad"]
    assert (result["code"], result["data"], result["error"]["service"], result["error"]["method"]) == (
        -1004, None, "demo", "misbehave",
    )  # fmt: skip
    assert answer.json["data"]["good"]["code"] == 0
    assert (spared.status_code, spared.json["code"], spared.json["data"]["bad"]["code"]) == (
        200,
        0,
        -1004,
    )


@pytest.mark.parametrize(
    ("calls", "field"),
    [
        ([], "calls"),
        ([call(str(n)) for n in range(21)], "calls"),
        ([call("a"), call("a")], "calls"),
        ([{"service": "demo", "method": "list_items"}], "calls"),
        ([call("a", params=[])], "calls"),
        ([call("a", optional="yes")], "calls"),
        ([call("a", extra=1)], "calls"),
        ("a", "calls"),
    ],
)
def test_a_batch_that_is_none_is_refused_whole(client, token, box, calls, field) -> None:
    answer = ask(client, token, calls)

    assert (answer.status_code, answer.json["code"]) == (400, -3003)
    assert field in answer.json["error"]["fields"]
    assert box.requests == []


def test_a_batch_takes_no_call_without_a_token(client, box) -> None:
    answer = client.post("/api/v1/batch", json={"calls": [call("a")]})

    assert (answer.status_code, answer.json["code"], box.requests) == (401, -2001, [])


def test_an_idempotency_key_of_a_batch_is_another_one_for_each_call(client, token, box) -> None:
    charge = {"order_id": 1, "amount": "1.00"}
    calls = [
        call("a", "pay.charge", params=charge),
        call("b", "pay.charge", params={**charge, "order_id": 2}),
    ]

    answer = client.post(
        "/api/v1/batch", json={"calls": calls}, headers={**token, "Idempotency-Key": "k1"}
    )

    assert answer.status_code == 200, answer.json
    keys = {
        value
        for request in box.requests
        for name, value in request.headers.items()
        if name.lower() == "idempotency-key"
    }
    assert len(keys) == 2


def test_the_aggregate_that_ships_tells_where_a_city_is_and_its_weather(client, token) -> None:
    answer = client.get("/api/v1/aggregate/city_page?address=北京", headers=token)

    assert (answer.status_code, answer.json["code"]) == (200, 0)
    data = answer.json["data"]
    assert list(data) == ["where", "weather"]
    assert data["where"]["data"][0]["adcode"] == data["weather"]["data"][0]["adcode"] == "110000"


def test_an_aggregates_query_is_validated(client, token, box) -> None:
    none = client.get("/api/v1/aggregate/city_page", headers=token)
    more = client.get("/api/v1/aggregate/city_page?address=x&colour=red", headers=token)

    assert (none.status_code, none.json["error"]["fields"]) == (
        400,
        {"address": ["Missing data for required field."]},
    )
    assert (more.status_code, set(more.json["error"]["fields"])) == (400, {"colour"})
    assert box.requests == []


def test_an_aggregate_by_post_takes_its_body(client, token) -> None:
    wrong = client.post("/api/v1/aggregate/city_page?address=北京", json=[1], headers=token)
    unknown = client.post("/api/v1/aggregate/city_page?address=北京", json={"a": 1}, headers=token)
    right = client.post("/api/v1/aggregate/city_page?address=北京", json={}, headers=token)

    assert [answer.status_code for answer in (wrong, unknown, right)] == [400, 400, 200]


def test_an_aggregate_that_is_not_there_is_404(client, token) -> None:
    answer = client.get("/api/v1/aggregate/nowhere", headers=token)

    assert (answer.status_code, answer.json["code"]) == (404, -3004)
