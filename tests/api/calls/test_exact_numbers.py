"""Each digit of a number passes, from a vendor to a caller and from a caller to a vendor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from config import Settings
from tests.gateway.fakes import Wire, answer

NUMBERS = (
    b"[12345678901234567890123,-0.1000000000000000055,1e400,1.10,100.00,1E5,1e-7,5.0,0.0,-0.0,"
    b"1.0e+2,123456789.123456789,18446744073709551616,9007199254740993]"
)
CATALOG = """
version: 1
services:
  s:
    base_url: "{url}"
    allow_private: true
    auth: {{type: bearer, token: vendors-secret-token}}
    methods:
      plain: {{http: GET /plain}}
      cached: {{http: GET /cached, cache: {{ttl: 60}}}}
      once: {{http: POST /once, idempotency_header: Idempotency-Key}}
      send:
        http: POST /send
        params:
          n: {{type: number}}
          i: {{type: integer}}
          o: {{type: object}}
      find:
        http: GET /find
        cache: {{ttl: 60}}
        params: {{n: {{type: number, minimum: 0, maximum: 1.1}}}}
aggregates:
  page:
    first: {{call: s.plain}}
"""
PLAIN = "/api/v1/call/s/plain"


@pytest.fixture
def vendor() -> Iterator[Wire]:
    with Wire([answer(b'{"n":' + NUMBERS + b"}")] * 3) as wire:
        yield wire


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, vendor: Wire) -> Settings:
    file = tmp_path / "catalog.yaml"
    file.write_text(CATALOG.format(url=vendor.url))
    return replace(settings, catalog=str(file))


def sent(vendor: Wire) -> list[bytes]:
    return [request.partition(b"\r\n\r\n")[2] for request in vendor.heard]


def post(client: FlaskClient, tokens: Any, path: str, body: str = "{}", **headers: str) -> Any:
    headers = {**tokens["user"], "Content-Type": "application/json", **headers}
    return client.post(f"/api/v1/{path}", data=body, headers=headers)


@pytest.mark.parametrize("path", [PLAIN, "/api/v1/call/s/cached", "/api/v1/aggregate/page"])
def test_a_vendors_numbers_reach_the_caller_as_they_are(
    client: FlaskClient, tokens: Any, path: str
) -> None:
    for _ in range(2):
        assert NUMBERS in client.get(path, headers=tokens["user"]).data


def test_they_do_in_a_batch(client: FlaskClient, tokens: Any) -> None:
    calls = '{"calls": [{"id": "a", "service": "s", "method": "plain"}]}'
    assert NUMBERS in post(client, tokens, "batch", calls).data


def test_they_do_in_a_replayed_answer(client: FlaskClient, tokens: Any, vendor: Wire) -> None:
    first, second = (
        post(client, tokens, "call/s/once", **{"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert (first.status_code, second.headers["Idempotency-Replayed"]) == (200, "true")
    assert NUMBERS in first.data
    assert NUMBERS in second.data
    assert len(vendor.heard) == 1


def test_they_do_where_a_credential_is_masked_and_where_json_is_not_utf8(
    client: FlaskClient, tokens: Any, vendor: Wire
) -> None:
    vendor.answers[:] = [answer(b'{"k":"vendors-secret-token","l":"\\ud800","n":' + NUMBERS + b"}")]
    body = client.get(PLAIN, headers=tokens["user"]).data
    assert b'"k":"****","l":"\\ud800"' in body
    assert NUMBERS in body


def test_a_callers_numbers_reach_the_vendor_as_they_are(
    client: FlaskClient, tokens: Any, vendor: Wire
) -> None:
    body = '{"n":0.1000000000000000055,"i":12345678901234567890123,"o":{"a":[1.10,1E5,1e-7]}}'
    assert post(client, tokens, "call/s/send", body).status_code == 200
    assert post(client, tokens, "call/s/send", '{"n":1.50}').status_code == 200
    assert sent(vendor) == [body.encode(), b'{"n":1.50}']


def test_a_number_in_the_query_keeps_its_digits_and_is_held_to_its_limits(
    client: FlaskClient, tokens: Any, vendor: Wire
) -> None:
    answers = [
        client.get(f"/api/v1/call/s/find?n={text}", headers=tokens["user"])
        for text in ("1.10", "1.1", "1.1000000000000000001", "1.20", "-0.10", "001.50")
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400, 400, 400]
    lines = [request.split(b" ")[1] for request in vendor.heard]
    assert lines == [b"/find?n=1.10", b"/find?n=1.1", b"/find?n=1.1000000000000000001"]


@pytest.mark.parametrize(
    ("digits", "whole"),
    [
        ("5.00", b"5"), ("1e3", b"1000"), ("12345678901234567890123.0", b"12345678901234567890123"),
        ("5.50", None), ("0.99999999999999999999", None), ("1e-400", None),
    ],
)  # fmt: skip
def test_an_integer_may_be_written_with_a_fraction_that_is_none(
    client: FlaskClient, tokens: Any, vendor: Wire, digits: str, whole: bytes | None
) -> None:
    response = post(client, tokens, "call/s/send", f'{{"i":{digits}}}')
    assert response.status_code == (200 if whole else 400)
    assert sent(vendor) == ([b'{"i":' + whole + b"}"] if whole else [])


def test_a_document_keeps_its_digits(client: FlaskClient, tokens: Any) -> None:
    value = '{"key": "a", "value": [1.10, 1e-7, 12345678901234567890123]}'
    assert post(client, tokens, "data", value).status_code == 201
    headers = tokens["user"]
    assert (
        b"[1.10,1e-7,12345678901234567890123]" in client.get("/api/v1/data/a", headers=headers).data
    )
    csv = client.get("/api/v1/data", headers={**headers, "Accept": "text/csv"}).text
    assert "[1.10,1e-7,12345678901234567890123]" in csv
    assert post(client, tokens, "data", value.replace("1.10", "1.1")).status_code == 200
    assert b"[1.1," in client.get("/api/v1/data/a", headers=headers).data
