"""What a caller sees of the database's troubles."""

from __future__ import annotations

import io
import json
import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import event, text

from api import logs
from app import create_app
from models.database import row_counts
from models.database.revisions import head_revision
from tests.ports import free_port


@pytest.fixture
def written() -> io.BytesIO:
    """What the app logs."""
    return io.BytesIO()


@pytest.fixture
def away(settings, clock, written):
    """An app whose database refuses every connection."""
    url = f"postgresql://postern:hunter2%2Fhunter2@127.0.0.1:{free_port()}/postern"
    app = create_app(replace(settings, database_url=url), clock)
    postern = app.extensions["postern"]
    log = logs.configure("error", postern.masker, written)
    app.extensions["postern"] = replace(postern, log=log)
    yield app.test_client()
    app.extensions["postern"].database.close()
    app.extensions["postern"].gateway.close()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_database_that_is_away_is_503_soon_and_no_password_is_told(away, written) -> None:
    began = time.monotonic()
    ready = away.get("/readyz")
    login = away.post("/api/v1/login", json={"username": "ann", "password": "whatever it is"})

    assert (ready.status_code, set(ready.json["error"]["fields"])) == (503, {"database"})
    assert (login.status_code, login.json["code"], login.json["error"]["retryable"]) == (
        503,
        -5001,
        True,
    )
    assert login.headers["Retry-After"] == "1"
    assert away.get("/healthz").status_code == 200
    assert time.monotonic() - began < 30
    out = written.getvalue()
    assert json.loads(out.splitlines()[0])["event"] == "database"
    for content in (ready.data, login.data, out):
        assert b"hunter2" not in content


def test_a_text_that_the_database_cannot_hold_is_no_failure_of_ours(client, users) -> None:
    answer = client.post("/api/v1/login", json={"username": "a\0b", "password": "whatever it is"})

    assert answer.status_code in (400, 401), answer.text


def test_stock_taken_by_many_at_once_is_never_below_zero(app, client, login) -> None:
    token = {"Authorization": f"Bearer {login()['access_token']}"}
    product = client.post(
        "/api/v1/products", json={"name": "Tea", "price": 1, "stock": 7}, headers=token
    ).json["data"]
    answers = []

    def take() -> None:
        with app.test_client() as one:
            answers.append(
                one.post(
                    f"/api/v1/products/{product['id']}/reduce_stock",
                    json={"quantity": 1},
                    headers=token,
                ).status_code
            )

    threads = [threading.Thread(target=take) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [200] * 7 + [409] * 5
    assert client.get(f"/api/v1/products/{product['id']}", headers=token).json["data"]["stock"] == 0


def test_changes_at_the_same_time_without_if_match_wait_and_all_succeed(app, client, login) -> None:
    token = {"Authorization": f"Bearer {login()['access_token']}"}
    product = client.post("/api/v1/products", json={"name": "Tea", "price": 1}, headers=token).json[
        "data"
    ]
    answers = []

    def change(stock: int) -> None:
        with app.test_client() as one:
            path = f"/api/v1/products/{product['id']}"
            answers.append(one.patch(path, json={"stock": stock}, headers=token).status_code)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [200] * 8


def test_pages_by_key_count_the_list_once_until_something_is_written(
    app, client, login, monkeypatch
) -> None:
    monkeypatch.setattr(row_counts, "MAX_AGE_SECONDS", 600)
    token = {"Authorization": f"Bearer {login()['access_token']}"}
    counted = []
    event.listen(app.extensions["postern"].database.engine, "before_cursor_execute",
                 lambda _c, _cursor, statement, *_: "count(" in statement and counted.append(statement))  # fmt: skip

    def make(name: str) -> None:
        client.post("/api/v1/products", json={"name": name, "price": 1}, headers=token)

    def totals(*queries: str) -> list[int]:
        return [
            client.get(f"/api/v1/products?{query}", headers=token).json["data"]["total"]
            for query in queries
        ]

    make("Tea")
    make("Coffee")
    assert totals("limit=1", "limit=1&after=1", "after=2", "limit=1&after=1&q=tea") == [2, 2, 2, 1]
    assert len(counted) == 2
    make("Milk")
    assert totals("after=1", "after=2") == [3, 3]
    assert len(counted) == 3


def test_readyz_names_the_database_that_is_there(client, app) -> None:
    assert client.get("/readyz").status_code == 200
    with app.extensions["postern"].database.read_session() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_readyz_names_the_database_when_the_apps_cannot_be_read(client, app) -> None:
    with app.extensions["postern"].database.write_connection() as connection:
        connection.execute(text("ALTER TABLE apps RENAME TO elsewhere"))
    ready = client.get("/readyz")
    assert (ready.status_code, set(ready.json["error"]["fields"])) == (503, {"database"})


def test_a_database_that_a_newer_version_has_migrated_is_ready_an_older_one_is_not(
    app, client
) -> None:
    def at(revision: str) -> int:
        with app.extensions["postern"].database.write_connection() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
        return client.get("/readyz").status_code

    assert (at("9999"), at("0001"), at(head_revision())) == (200, 503, 200)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_database_that_takes_no_writes_is_503_and_readyz_names_it(
    app, client, tokens, login
) -> None:
    engine = app.extensions["postern"].database.engine
    with engine.begin() as connection:
        connection.execute(
            text(f'ALTER DATABASE "{engine.url.database}" SET default_transaction_read_only = on')
        )
    engine.dispose()  # new connections find it so, as after a failover to a standby
    written = client.post("/api/v1/data", json={"key": "k", "value": 1}, headers=tokens["user"])
    ready = client.get("/readyz")

    assert (written.status_code, written.json["code"], written.json["error"]["retryable"]) == (
        503,
        -5001,
        True,
    )
    assert (ready.status_code, ready.json["error"]["fields"]) == (
        503,
        {"database": ["It is read-only."]},
    )
    assert client.get("/api/v1/data", headers=tokens["user"]).status_code == 200
