"""A database that an earlier version left is upgraded, and what is in it is read by today's API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from flask.testing import FlaskClient
from sqlalchemy import MetaData, create_engine, insert, select, text

from api.auth.app_secrets import AppSecrets
from app import create_app
from examples.clients.postern_auth import PosternAuth
from gateway.clock import SystemClock
from models import AccountConnection, Base, Database
from models.database import migrate
from tests.models import old_database
from tests.models.old_database import APP_SECRET, FOLDER, PASSWORD, REFRESH_TOKEN, log_in

REVISIONS = old_database.revisions()


@pytest.fixture(params=REVISIONS)
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(
    revision: str, database_kind: str, database_url: str, tmp_path: Path
) -> Iterator[FlaskClient]:
    """Today's API, on what the revision left after the upgrade."""
    file = tmp_path / "old.db"
    old_database.load(file, revision)
    url = f"sqlite:///{file}"
    if database_kind == "postgresql":
        migrate.upgrade(database_url, revision)
        copy_rows(url, database_url)
        url = database_url
    migrate.upgrade(url)
    app = create_app(old_database.settings(url, tmp_path), SystemClock())
    state = app.extensions["postern"]
    yield app.test_client()
    state.database.close()
    state.gateway.close()
    state.store.close()


def copy_rows(old_url: str, url: str) -> None:
    """Put the rows of one database into another of the same revision, on a server."""
    source = create_engine(old_url)
    target = Database(url)
    here, there = MetaData(), MetaData()
    here.reflect(source)
    with target.write_connection() as connection:
        there.reflect(connection)
    for table in (*here.tables.values(), *there.tables.values()):
        declared = Base.metadata.tables.get(table.name)
        for column in table.columns if declared is not None else ():
            column.type = declared.columns[column.name].type  # a price is cents on SQLite
    with source.connect() as rows, target.write_connection() as connection:
        for table in there.sorted_tables:
            if table.name == "alembic_version":
                continue
            found = rows.execute(select(here.tables[table.name])).mappings().all()
            if found:
                connection.execute(insert(table), [dict(row) for row in found])
            if "id" in table.columns:
                last = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name}"
                connection.execute(text(last))
    source.dispose()
    target.close()


def test_every_revision_has_left_a_database() -> None:
    kept = sorted(file.stem for file in FOLDER.glob("*.sql"))
    assert kept == REVISIONS, "python -m tests.models.old_database"


def test_who_was_there_logs_in_and_new_rows_join_the_old(client: FlaskClient) -> None:
    ann = log_in(client)
    log_in(client, "bob")
    users = client.get("/api/v1/users?sort=id", headers=ann).json["data"]["items"]
    assert [(user["username"], user["role"]) for user in users] == [
        ("ann", "admin"),
        ("bob", "user"),
    ]
    body = {"username": "eve", "password": PASSWORD, "role": "guest"}
    answer = client.post("/api/v1/users", json=body, headers=ann)
    assert (answer.status_code, answer.json["data"]["id"]) == (201, 3)


def test_an_app_signs_with_the_secret_it_was_given(client: FlaskClient) -> None:
    request = requests.Request("GET", "http://localhost/api/v1/services").prepare()
    signed = PosternAuth("shop", APP_SECRET)(request)
    answer = client.get("/api/v1/services", headers=dict(signed.headers))
    assert answer.status_code == 200, answer.text
    shop = client.get("/api/v1/apps/shop", headers=log_in(client)).json["data"]
    assert (shop["allow"], shop["rate"]) == (["crm.*"], "100/minute")


def test_products_orders_documents_and_files_are_as_they_were(
    revision: str, client: FlaskClient
) -> None:
    ann = log_in(client)
    if revision == REVISIONS[0]:  # which had none
        assert client.get("/api/v1/products", headers=ann).json["data"]["items"] == []
        return
    tea = client.get("/api/v1/products/1", headers=ann).json["data"]
    assert (tea["name"], tea["price"], tea["stock"], tea["category"]) == (
        "Tea",
        "1.25",
        8,
        "drinks",
    )
    order = client.get("/api/v1/orders/1", headers=ann).json["data"]
    assert [(line["product_id"], line["quantity"]) for line in order["items"]] == [(1, 2)]
    greeting = client.get("/api/v1/data/greeting", headers=ann).json["data"]
    assert (greeting["value"], greeting["owner"]) == ({"text": "你好", "number": 1.0}, "user:1")
    [letter] = client.get("/api/v1/files", headers=ann).json["data"]["items"]
    assert (letter["name"], letter["size"]) == ("letter.txt", 5)
    line = {"items": [{"product_id": 1, "quantity": 8}]}
    assert client.post("/api/v1/users/1/orders", json=line, headers=ann).status_code == 201


def test_a_connected_account_keeps_its_refresh_token(revision: str, client: FlaskClient) -> None:
    state = client.application.extensions["postern"]
    with state.database.read_session() as session:
        connections = session.query(AccountConnection).all()
    if revision < "0005":
        assert connections == []
        return
    [crm] = connections
    token = AppSecrets(state.settings).unseal(crm.refresh_token)
    assert token.reveal() == REFRESH_TOKEN
