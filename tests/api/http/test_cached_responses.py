"""Reads are kept until the next write, and only for those who may see them."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import event


@pytest.fixture
def queries(app):
    """How often the database was asked since."""
    statements: list[str] = []
    engine = app.extensions["postern"].database.engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    return statements


def order(client, headers, user_id, product_id):
    lines = {"items": [{"product_id": product_id, "quantity": 1}]}
    return client.post(f"/api/v1/users/{user_id}/orders", json=lines, headers=headers).json["data"][
        "id"
    ]


def product(client, headers):
    body = {"name": "lamp", "price": "5.00", "stock": 9}
    return client.post("/api/v1/products", json=body, headers=headers).json["data"]["id"]


@pytest.mark.parametrize(
    "path", ["/data", "/data/k", "/products", "/files", "/users/{user}/orders", "/orders/{order}"]
)
def test_a_read_that_was_made_is_not_made_again(client, users, tokens, queries, path) -> None:
    headers = tokens["user"]
    client.post("/api/v1/data", json={"key": "k", "value": 1.0}, headers=headers)
    order_id = order(client, headers, users["user"], product(client, headers))
    at = "/api/v1" + path.format(user=users["user"], order=order_id)
    first = client.get(at, headers=headers)
    queries.clear()

    second = client.get(at, headers=headers)

    assert (second.status_code, queries) == (200, [])
    assert (second.json["data"], second.headers["ETag"]) == (
        first.json["data"],
        first.headers["ETag"],
    )


def test_a_document_is_read_anew_once_it_is_written(client, tokens) -> None:
    headers = tokens["user"]
    reads = []
    for value in (1, 2):
        client.post("/api/v1/data", json={"key": "k", "value": value}, headers=headers)
        one, many = (
            client.get(path, headers=headers).json["data"]
            for path in ("/api/v1/data/k", "/api/v1/data")
        )
        reads.append((one["value"], many["total"]))
    client.delete("/api/v1/data/k", headers=headers)

    assert reads == [(1, 1), (2, 1)]
    assert client.get("/api/v1/data/k", headers=headers).status_code == 404
    assert client.get("/api/v1/data", headers=headers).json["data"]["total"] == 0


def test_a_users_orders_are_read_anew_once_there_is_another(client, users, tokens) -> None:
    headers, at = tokens["user"], f"/api/v1/users/{users['user']}/orders"
    lamp = product(client, headers)
    totals = [client.get(at, headers=headers).json["data"]["total"]]
    for _ in range(2):
        order(client, headers, users["user"], lamp)
        totals.append(client.get(at, headers=headers).json["data"]["total"])

    assert totals == [0, 1, 2]
    assert client.get(f"/api/v1/products/{lamp}", headers=headers).json["data"]["stock"] == 7


def test_a_list_of_files_is_read_anew_once_one_comes_or_goes(client, tokens) -> None:
    headers = tokens["user"]
    totals = [client.get("/api/v1/files", headers=headers).json["data"]["total"]]
    file_id = client.post(
        "/api/v1/files", data={"file": (io.BytesIO(b"x"), "x.txt")}, headers=headers
    ).json["data"]["id"]
    totals.append(client.get("/api/v1/files", headers=headers).json["data"]["total"])
    client.delete(f"/api/v1/files/{file_id}", headers=headers)
    totals.append(client.get("/api/v1/files", headers=headers).json["data"]["total"])

    assert totals == [0, 1, 0]


def test_what_one_caller_may_see_is_not_kept_for_another(client, users, tokens) -> None:
    order_id = order(client, tokens["user"], users["user"], product(client, tokens["user"]))
    client.post("/api/v1/files", data={"file": (io.BytesIO(b"x"), "x.txt")}, headers=tokens["user"])

    for role in ("user", "admin"):
        assert client.get(f"/api/v1/orders/{order_id}", headers=tokens[role]).status_code == 200
        assert (
            client.get(f"/api/v1/users/{users['user']}/orders", headers=tokens[role]).status_code
            == 200
        )
        assert client.get("/api/v1/files", headers=tokens[role]).json["data"]["total"] == 1
    assert client.get(f"/api/v1/orders/{order_id}", headers=tokens["guest"]).status_code == 404
    assert (
        client.get(f"/api/v1/users/{users['user']}/orders", headers=tokens["guest"]).status_code
        == 404
    )
    assert client.get("/api/v1/files", headers=tokens["guest"]).json["data"]["total"] == 0


def test_the_orders_of_a_user_who_is_gone_are_gone(client, users, tokens) -> None:
    at = f"/api/v1/users/{users['guest']}/orders"
    assert client.get(at, headers=tokens["admin"]).json["data"]["total"] == 0

    client.delete(f"/api/v1/users/{users['guest']}", headers=tokens["admin"])

    assert client.get(at, headers=tokens["admin"]).status_code == 404


def test_a_large_answer_is_made_anew_each_time(client, tokens, queries) -> None:
    client.post("/api/v1/data", json={"key": "k", "value": "x" * 300_000}, headers=tokens["user"])
    client.get("/api/v1/data/k", headers=tokens["user"])
    queries.clear()

    assert (
        len(client.get("/api/v1/data/k", headers=tokens["user"]).json["data"]["value"]) == 300_000
    )
    assert queries
