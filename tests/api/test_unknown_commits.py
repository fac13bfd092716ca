"""A write whose COMMIT was sent and not answered is told as unknown; one that was lost before it, as not done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.postgres_proxy import LossyProxy


@pytest.fixture(params=["postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def proxy(database_url: str) -> Iterator[LossyProxy]:
    running = LossyProxy(database_url)
    yield running
    running.close()


@pytest.fixture
def lossy(make_app, settings, proxy, tokens):
    """A client whose way to the database is the proxy."""
    app = make_app(replace(settings, database_url=proxy.url))
    client = app.test_client()
    client.environ_base.update({"HTTP_AUTHORIZATION": tokens["admin"]["Authorization"]})
    return client


def count(client, path: str) -> int:
    return client.get(path).json["data"]["total"]


POSTS = {"/api/v1/data": {"key": "k", "value": 1}, "/api/v1/products": {"name": "Tea", "price": 1}}


@pytest.mark.parametrize("path", POSTS)  # one by a session, one by a connection
@pytest.mark.parametrize(("lose", "stored"), [("answer", 1), ("commit", 0)])
def test_a_write_is_unknown_when_the_answer_to_its_commit_never_came(
    lossy, proxy, path, lose, stored
) -> None:
    assert count(lossy, path) == 0
    proxy.lose = lose
    answer = lossy.post(path, json=POSTS[path])

    assert (answer.status_code, answer.json["code"], answer.json["error"]["type"]) == (
        503,
        -5002,
        "outcome_unknown",
    )
    assert answer.json["error"]["retryable"] is False
    assert proxy.lose == ""
    assert count(lossy, f"{path}?limit=99") == stored


@pytest.mark.parametrize("path", POSTS)
def test_a_write_that_was_lost_before_its_commit_was_not_done(lossy, proxy, path) -> None:
    proxy.lose = "insert"
    answer = lossy.post(path, json=POSTS[path])

    assert (answer.status_code, answer.json["code"], answer.json["error"]["retryable"]) == (
        503,
        -5001,
        True,
    )
    assert count(lossy, f"{path}?limit=99") == 0


def test_the_bytes_of_an_upload_stay_while_its_commit_is_unknown(
    lossy, proxy, settings, tmp_path
) -> None:
    proxy.lose = "answer"
    answer = lossy.post("/api/v1/files", data={"file": (__file__, "a.py")})

    assert answer.json["code"] == -5002, answer.text
    [file] = lossy.get("/api/v1/files").json["data"]["items"]
    assert lossy.get(f"/api/v1/files/{file['id']}").status_code == 200
