"""Bodies that are made to cost: refused before they are read, or in few words and little time."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.auth.views import MAX_LOGIN_BYTES

PARSE_SECONDS = 2.0  # many times what it takes, and a fraction of the 13 s that it took
FLOOD = {str(number): 1 for number in range(80_000)}


@pytest.mark.parametrize(
    "path", ["/api/v1/login", "/api/v1/token/refresh", "/api/v1/logout", "/api/login"]
)
def test_a_login_body_over_8_kib_is_refused_before_it_is_parsed_and_told_the_limit(
    client: FlaskClient, tokens: dict[str, dict[str, str]], path: str
) -> None:
    broken = b"{" * (MAX_LOGIN_BYTES + 1)
    headers = {**tokens["user"], "X-Content-SHA256": "0" * 64}
    answer = client.post(path, data=broken, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json["code"]) == (413, -3007)
    assert answer.json["message"] == "The body may have at most 8192 bytes; send less."


def test_a_chunked_login_body_is_refused_too(client: FlaskClient) -> None:
    answer = client.post(
        "/api/v1/login",
        input_stream=io.BytesIO(b"{" * 100_000),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert (answer.status_code, answer.json["message"]) == (
        413,
        "The body may have at most 8192 bytes; send less.",
    )


@pytest.mark.parametrize("chunked", [False, True])
def test_a_login_body_of_8_kib_is_looked_at(client: FlaskClient, chunked: bool) -> None:
    def status(size: int) -> int:
        body = b'{"username": "ann", "password": "wrong"}'.ljust(size)
        options: dict[str, Any] = {"data": body}
        if chunked:
            environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
            options = {"input_stream": io.BytesIO(body), "environ_overrides": environ}
        answer = client.post("/api/v1/login", content_type="application/json", **options)
        return answer.status_code

    assert (status(MAX_LOGIN_BYTES), status(MAX_LOGIN_BYTES + 1)) == (401, 413)


def test_what_is_too_large_is_told_the_limit_and_the_way(
    client: FlaskClient, tokens: dict[str, dict[str, str]]
) -> None:
    answer = client.post(
        "/api/v1/data", json={"key": "k", "value": "x" * 2**20}, headers=tokens["user"]
    )
    message = (
        "The body may have at most 1048576 bytes (MAX_BODY); a file, sent to POST /api/v1/files"
        " or to a method with stream: true, up to 67108864 (MAX_UPLOAD)."
        " Send less, or have an admin raise that."
    )
    assert (answer.status_code, answer.json["message"]) == (413, message)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/products", FLOOD),
        ("/api/v1/users", FLOOD),
        ("/api/v1/call", FLOOD),
        ("/api/v1/call/maps/geocode", FLOOD),
        ("/api/v1/batch", {"calls": [FLOOD]}),
        ("/api/v1/batch", {"calls": [{}] * 300_000}),
        ("/api/v1/batch", {"calls": [1] * 400_000}),
        ("/api/v1/users/{user}/orders", {"items": [{}] * 300_000}),
        ("/api/v1/apps", {"app_id": "a", "allow": ["!"] * 200_000}),
    ],
)
def test_a_flood_of_wrong_fields_or_items_is_answered_in_few_words_and_little_time(
    client: FlaskClient,
    users: dict[str, int],
    tokens: dict[str, dict[str, str]],
    path: str,
    body: Any,
) -> None:
    began = time.thread_time()
    answer = client.post(path.format(**users), json=body, headers=tokens["admin"])
    took = time.thread_time() - began

    assert (answer.status_code, answer.json["code"]) == (400, -3003)
    assert len(answer.data) < 4096
    assert took < PARSE_SECONDS


def test_a_flood_tells_twenty_names_and_how_many_others_there_are(
    client: FlaskClient, tokens: dict[str, dict[str, str]]
) -> None:
    product = {"name": "Lamp", "price": "1.00"}
    error = client.post("/api/v1/products", json={**FLOOD, **product}, headers=tokens["user"]).json[
        "error"
    ]
    assert (len(error["fields"]), error["more"]) == (20, 79_980)
    assert set(map(tuple, error["fields"].values())) == {("Unknown field.",)}


@pytest.mark.parametrize("path", ["/api/v1/products", "/api/v1/call/maps/geocode"])
def test_of_a_flood_only_the_first_names_are_compared_with_what_there_is(
    client: FlaskClient, tokens: dict[str, dict[str, str]], path: str
) -> None:
    misspelt = {"nmae": "Lamp", "adress": "x"}
    late = client.post(path, json={**FLOOD, **misspelt}, headers=tokens["user"])
    early = client.post(path, json={**misspelt, **FLOOD}, headers=tokens["user"])
    assert "did_you_mean" not in late.json["error"]
    assert early.json["error"]["did_you_mean"] in ("name", "address")


def test_a_flood_hides_no_known_field_that_is_missing_or_wrong(
    client: FlaskClient, tokens: dict[str, dict[str, str]]
) -> None:
    error = client.post(
        "/api/v1/products", json={**FLOOD, "stock": "x"}, headers=tokens["user"]
    ).json["error"]
    assert {"name", "price", "stock"} <= set(error["fields"])
    assert (len(error["fields"]), error["more"]) == (20, 79_983)


def test_all_wrong_lines_of_an_order_are_counted(
    client: FlaskClient, users: dict[str, int], tokens: dict[str, dict[str, str]]
) -> None:
    order = {"items": [{}] * 100}
    error = client.post(
        f"/api/v1/users/{users['user']}/orders", json=order, headers=tokens["user"]
    ).json["error"]
    assert (len(error["fields"]), error["more"]) == (20, 180)  # each lacks product_id and quantity


def test_all_wrong_names_that_an_app_may_call_are_counted(
    client: FlaskClient, tokens: dict[str, dict[str, str]]
) -> None:
    error = client.post(
        "/api/v1/apps", json={"app_id": "a" * 8, "allow": ["!"] * 100}, headers=tokens["admin"]
    ).json["error"]
    assert (len(error["fields"]["allow"]), error["more"]) == (20, 80)


def test_fields_within_fields_count_one_by_one(
    client: FlaskClient, tokens: dict[str, dict[str, str]]
) -> None:
    error = client.post("/api/v1/batch", json={"calls": [{}] * 20}, headers=tokens["user"]).json[
        "error"
    ]
    named = [name for call in error["fields"]["calls"].values() for name in call]
    assert (len(named), error["more"]) == (20, 40)  # each lacks id, service and method


def test_a_long_name_is_not_told_whole(
    client: FlaskClient, tokens: dict[str, dict[str, str]]
) -> None:
    answer = client.post("/api/v1/products", json={"n" * 500_000: 1}, headers=tokens["user"])
    assert "n" * 100 + "…" in answer.json["error"]["fields"]
    assert len(answer.data) < 1024


@pytest.mark.parametrize("path", ["/api/v1/products", "/api/v1/user/profile"])
def test_blanks_in_accept_are_read_in_little_time(
    client: FlaskClient, tokens: dict[str, dict[str, str]], path: str
) -> None:
    accept = f"text/html{' ' * 60_000}x"
    began = time.thread_time()
    answer = client.get(path, headers={**tokens["user"], "Accept": accept})
    took = time.thread_time() - began
    assert answer.json["code"] == -3010
    assert took < PARSE_SECONDS
