"""Every POST of the resources is done once under an Idempotency-Key, whatever becomes of its answer."""

from __future__ import annotations

import io
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import text

from gateway.stores import Generations
from models import IdempotencyKey
from tests.e2e.live import wait_for
from tests.postgres_proxy import LossyProxy

KEY = {"Idempotency-Key": "k-1"}


@pytest.fixture
def post(client, tokens) -> Callable[..., Any]:
    def send(
        path: str, body: Any = None, *, key: str | None = "k-1", who: str = "admin", **options: Any
    ) -> Any:
        headers = {**tokens[who], **({"Idempotency-Key": key} if key else {})}
        if body is not None:
            options["json"] = body
        return client.post(f"/api/v1{path}", headers=headers, **options)

    return send


@pytest.fixture
def count(client, tokens) -> Callable[[str], int]:
    return lambda path: client.get(f"/api/v1{path}", headers=tokens["admin"]).json["data"]["total"]


@pytest.fixture
def product(post) -> int:
    return post("/products", {"name": "Tea", "price": "1.50", "stock": 5}, key=None).json["data"][
        "id"
    ]


@pytest.fixture
def lossy(make_app, settings, database_url) -> Iterator[Any]:
    """A client whose way to the database is a proxy that loses things, and the proxy."""
    proxy = LossyProxy(database_url)
    yield make_app(replace(settings, database_url=proxy.url)).test_client(), proxy
    proxy.close()


def stock(client, tokens, product: int) -> int:
    return client.get(f"/api/v1/products/{product}", headers=tokens["admin"]).json["data"]["stock"]


def upload(content: bytes = b"x" * 1000) -> dict[str, Any]:
    return {"data": {"file": (io.BytesIO(content), "a.bin")}}


def same(first: Any, again: Any) -> None:
    """The first answer, as another request's."""
    assert first.status_code < 300, first.text
    assert again.headers.get("Idempotency-Replayed") == "true", again.text
    assert "Idempotency-Replayed" not in first.headers
    assert (again.status_code, again.json["data"]) == (first.status_code, first.json["data"])
    for name in ("ETag", "Location", "Cache-Control"):
        assert again.headers.get(name) == first.headers.get(name)
    assert again.json["request_id"] != first.json["request_id"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/data",
            {"key": "k", "value": {"n": 1.0, "big": 123456789012345678901234567890, "text": "中"}},
        ),
        ("/users", {"username": "bob", "password": "correct horse battery"}),
        ("/products", {"name": "Milk", "price": "9.99"}),
        ("/apps", {"app_id": "till", "allow": ["*"]}),
    ],
)
def test_what_was_made_under_a_key_is_not_made_again(post, count, path, body) -> None:
    first = post(path, body)
    before = count(path)
    same(first, post(path, body))
    assert count(path) == before
    assert post(path, body, key="k-2").headers.get("Idempotency-Replayed") is None


def test_stock_and_orders_are_taken_once_under_a_key(
    client, post, tokens, users, product, count
) -> None:
    order = {"items": [{"product_id": product, "quantity": 2}]}
    for path, body in (
        (f"/users/{users['user']}/orders", order),
        (f"/products/{product}/reduce_stock", {"quantity": 1}),
    ):
        same(post(path, body, key=path), post(path, body, key=path))
    assert stock(client, tokens, product) == 2
    assert count(f"/users/{users['user']}/orders") == 1


@pytest.mark.parametrize("action", ["rotate", "disable"])
def test_an_app_is_changed_once_under_a_key(post, action) -> None:
    post("/apps", {"app_id": "till", "allow": ["*"]}, key=None)
    first = post(f"/apps/till/{action}")
    again = post(f"/apps/till/{action}")
    same(first, again)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_no_secret_of_an_answer_stands_in_the_database(app, post) -> None:
    secret = post("/apps", {"app_id": "till", "allow": ["*"]}).json["data"]["secret"]
    with app.extensions["postern"].database.read_connection() as connection:
        [row] = connection.execute(text("SELECT * FROM idempotency_keys")).all()
    assert secret not in str(row)
    assert "till" not in str(row)


def test_an_answer_sealed_with_a_key_that_is_gone_is_a_conflict_and_nothing_is_done(
    app, post, count
) -> None:
    post("/products", {"name": "Milk", "price": "1"})
    with app.extensions["postern"].database.write_connection() as connection:
        connection.execute(text("UPDATE idempotency_keys SET record = 'x'"))
    answer = post("/products", {"name": "Milk", "price": "1"})
    assert (answer.status_code, answer.json["code"]) == (409, -3006)
    assert count("/products") == 1


def test_a_file_is_stored_once_under_a_key_though_it_would_not_fit_again(
    make_app, settings, tokens
) -> None:
    client = make_app(replace(settings, files_quota=1500)).test_client()

    def send(content: bytes) -> Any:
        return client.post("/api/v1/files", headers={**tokens["user"], **KEY}, **upload(content))

    same(send(b"x" * 1000), send(b"x" * 1000))
    other = send(b"y" * 1000)
    assert (other.status_code, other.json["code"]) == (409, -3006)
    assert client.get("/api/v1/files", headers=tokens["user"]).json["data"]["total"] == 1


def test_another_request_under_the_key_is_a_conflict_and_not_done(
    client, post, tokens, product, count
) -> None:
    post("/products", {"name": "Milk", "price": "1"})
    for path, body in (
        ("/products", {"name": "Milk", "price": "2"}),
        (f"/products/{product}/reduce_stock", {"quantity": 1}),
    ):
        answer = post(path, body)
        assert (answer.status_code, answer.json["code"], answer.json["error"]["retryable"]) == (
            409,
            -3006,
            False,
        )
    assert stock(client, tokens, product) == 5


def test_a_key_is_its_callers_own(post) -> None:
    assert post("/data", {"key": "a", "value": 1}, who="user").status_code == 201
    assert post("/data", {"key": "b", "value": 1}, who="admin").status_code == 201


def test_a_failure_keeps_nothing_and_the_key_may_be_used_again(post, product) -> None:
    assert post(f"/products/{product}/reduce_stock", {"quantity": 9}).status_code == 409
    again = post(f"/products/{product}/reduce_stock", {"quantity": 5})
    assert (again.status_code, again.headers.get("Idempotency-Replayed")) == (200, None)


def test_a_key_is_forgotten_after_a_day(app, client, users) -> None:
    def send(key: str) -> Any:
        token = app.extensions["postern.auth"].tokens.issue(str(users["user"]), "user")[0]
        body = {"key": key, "value": 1}
        return client.post(
            "/api/v1/data", json=body, headers={**KEY, "Authorization": f"Bearer {token}"}
        )

    send("a")
    app.extensions["postern.auth"].clock.advance(23 * 3600)
    assert send("b").status_code == 409
    app.extensions["postern.auth"].clock.advance(2 * 3600)
    assert send("b").status_code == 201


def test_two_orders_at_once_under_one_key_take_stock_once(
    app, client, tokens, users, product
) -> None:
    answers: list[Any] = []
    begin = threading.Barrier(4)

    def send() -> None:
        with app.test_client() as one:
            begin.wait(30)
            body = {"items": [{"product_id": product, "quantity": 1}]}
            path = f"/api/v1/users/{users['user']}/orders"
            answers.append(one.post(path, json=body, headers={**tokens["user"], **KEY}))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for answer in answers:
        under_way = (answer.status_code, answer.json.get("error", {}).get("retryable")) == (
            409,
            True,
        )
        assert answer.status_code == 201 or under_way, answer.text
    assert len({answer.json["data"]["id"] for answer in answers if answer.status_code == 201}) == 1
    assert (
        sum(
            answer.status_code == 201 and "Idempotency-Replayed" not in answer.headers
            for answer in answers
        )
        == 1
    )
    assert stock(client, tokens, product) == 4


def _done(answer: Any) -> Any:
    """The answer, once the database has ended the transaction of a connection that was cut off."""
    return None if answer.json.get("error", {}).get("retryable") else answer


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@pytest.mark.parametrize("lose", ["answer", "commit", "insert"])
def test_a_retry_under_the_key_finds_out_what_became_of_a_lost_commit(
    lossy, tokens, users, product, lose
) -> None:
    lossy, proxy = lossy
    headers = {**tokens["user"], **KEY}
    path, body = (
        f"/api/v1/users/{users['user']}/orders",
        {"items": [{"product_id": product, "quantity": 1}]},
    )
    lossy.get("/readyz")
    proxy.lose = lose
    unknown = lossy.post(path, json=body, headers=headers)
    again = wait_for(lambda: _done(lossy.post(path, json=body, headers=headers)))

    code = -5001 if lose == "insert" else -5002
    assert (unknown.status_code, unknown.json["code"], unknown.json["error"]["retryable"]) == (
        503,
        code,
        True,
    )
    assert (again.status_code, "Idempotency-Replayed" in again.headers) == (201, lose == "answer")
    assert stock(lossy, tokens, product) == 4


@pytest.mark.parametrize(
    ("place", "done"),
    [((Generations, "end"), True), ((IdempotencyKey, "store"), False)],
)
def test_a_retry_after_a_kill_finds_one_order_whether_it_was_committed_or_not(
    app, tokens, users, product, place, done
) -> None:
    """The first is called right after the COMMIT, the second right before."""
    client = app.test_client()
    path, body = (
        f"/api/v1/users/{users['user']}/orders",
        {"items": [{"product_id": product, "quantity": 1}]},
    )
    headers = {**tokens["user"], **KEY}
    child = os.fork()
    if child == 0:
        try:
            database = app.extensions["postern"].database
            for engine in (database.engine, database.write_engine):
                engine.dispose(close=False)  # connections are the parent's
            with patch.object(*place, lambda *_: os.kill(os.getpid(), signal.SIGKILL)):
                client.post(path, json=body, headers=headers)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

    def again() -> Any:
        answer = client.post(path, json=body, headers=headers)
        return None if answer.status_code == 409 else answer  # PostgreSQL has not noticed yet

    answer = wait_for(again)
    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (201, done)
    assert stock(client, tokens, product) == 4


def test_every_post_of_the_resources_takes_a_key(app) -> None:
    others = {
        "login",
        "refresh",
        "logout",
        "call",
        "call_by_path",
        "batch",
        "aggregate_by_body",
        "pay_order",
        "authorize_connection",  # each request has an answer of its own, good once
    }  # which have their own way
    views = {
        rule.endpoint: app.view_functions[rule.endpoint]
        for rule in app.url_map.iter_rules()
        if "POST" in (rule.methods or ())
        and rule.rule.startswith("/api/v1/")
        and "proxy" not in rule.rule
    }
    without = {view.__name__ for view in views.values() if not getattr(view, "idempotent", False)}
    assert without <= others, without - others
