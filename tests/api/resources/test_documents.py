"""JSON documents over HTTP."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from models import Document


def outcome(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json["code"]


def path_of(key: str) -> str:
    return f"/api/v1/data/{quote(key, safe='')}"


def nested(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = [value]
    return value


@pytest.fixture
def keep(client, tokens):
    def put(key: str, value: Any, role: str = "user", **headers: str) -> Any:
        return client.post(
            "/api/v1/data", json={"key": key, "value": value}, headers={**tokens[role], **headers}
        )

    return put


def test_a_document_is_kept_replaced_read_and_deleted(client, tokens, users, keep) -> None:
    created, replaced = keep("a", {"x": 1}), keep("a", [2])
    read = client.get(path_of("a"), headers=tokens["guest"])
    deleted = client.delete(path_of("a"), headers=tokens["user"])

    assert (created.status_code, replaced.status_code) == (201, 200)
    assert set(read.json["data"]) == {"key", "value", "owner", "created_at", "updated_at"}
    assert read.json["data"] == replaced.json["data"]
    assert (read.json["data"]["value"], read.json["data"]["owner"]) == (
        [2],
        f"user:{users['user']}",
    )
    assert read.json["data"]["created_at"] == created.json["data"]["created_at"]
    assert read.json["data"]["updated_at"] > created.json["data"]["updated_at"]
    assert (deleted.status_code, deleted.json["data"]) == (200, None)
    assert outcome(client.get(path_of("a"), headers=tokens["guest"])) == (404, -3004)
    assert outcome(client.delete(path_of("a"), headers=tokens["user"])) == (404, -3004)


@pytest.mark.parametrize(
    "text",
    [
        "null", "true", "false", "0", "-0.0", "1", "1.0", "-7", "0.1", "1e-300", "1.7976931348623157e308", "9007199254740993",
        "9223372036854775808", "-123456789012345678901234567890", '""', '"1"', '"null"', '"👩‍👩‍👧 茶 \\u0000 \\" \\\\ \\u2028"', "[]", "{}",
        '{"b":1,"a":{"":null}}', '[1,1.0,true,"1",null,12345678901234567890123]', json.dumps(nested(63)),
    ],
)  # fmt: skip
def test_a_value_comes_back_exactly(client, tokens, text: str) -> None:
    body = f'{{"key":"k","value":{text}}}'
    answer = client.post(
        "/api/v1/data", data=body.encode(), content_type="application/json", headers=tokens["user"]
    )
    assert answer.status_code == 201, answer.text
    read = client.get(path_of("k"), headers=tokens["guest"])
    listed = client.get("/api/v1/data", headers=tokens["guest"])

    sent = repr(json.loads(text))  # 1, 1.0 and true are equal, but not the same
    assert repr(json.loads(answer.data)["data"]["value"]) == sent
    assert repr(json.loads(read.data)["data"]["value"]) == sent
    assert repr(json.loads(listed.data)["data"]["items"][0]["value"]) == sent


@pytest.mark.parametrize(
    ("old", "new"), [(1, 1.0), (1, True), (0, False), (True, 1), ([1], [1.0]), ("x", None)]
)
def test_a_value_is_replaced_by_one_that_python_holds_equal(
    client, tokens, keep, old: Any, new: Any
) -> None:
    keep("k", old)
    keep("k", new)
    assert repr(client.get(path_of("k"), headers=tokens["user"]).json["data"]["value"]) == repr(new)


@pytest.mark.parametrize(
    "key",
    ["a", "a/b", "/a", "a/", "//", "a//b", ".hidden", "a.b.c", "%", "%2F", "100%", "a%00", "茶 🍵", " ", "a?b#c", "a+b&c=d", "a\nb", "a\n",
     "\\", '"', "x" * 200, "👩" * 200],
)  # fmt: skip
def test_any_key_is_found_again(client, tokens, keep, key: str) -> None:
    assert keep(key, 1).json["data"]["key"] == key
    assert client.get(path_of(key), headers=tokens["guest"]).json["data"]["key"] == key
    assert keep(key, 2).status_code == 200
    assert client.delete(path_of(key), headers=tokens["user"]).status_code == 200


def test_keys_that_look_alike_are_different(client, tokens, keep) -> None:
    keys = ["a", "A", "a/", "/a", "a ", "é", "e\u0301"]
    for key in keys:
        assert keep(key, key).status_code == 201
    for key in keys:
        assert client.get(path_of(key), headers=tokens["guest"]).json["data"]["value"] == key


@pytest.mark.parametrize("key", ["nothing", "a\0b", "x" * 500])
def test_a_key_that_is_none_is_not_found(client, tokens, key: str) -> None:
    assert outcome(client.get(path_of(key), headers=tokens["user"])) == (404, -3004)
    assert outcome(client.delete(path_of(key), headers=tokens["user"])) == (404, -3004)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"value": 1}, "key"), ({"key": "a"}, "value"), ({"key": "", "value": 1}, "key"), ({"key": "x" * 201, "value": 1}, "key"),
        ({"key": "a\0b", "value": 1}, "key"), ({"key": 5, "value": 1}, "key"), ({"key": None, "value": 1}, "key"),
        ({"key": "a", "value": 1, "owner": "user:1"}, "owner"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(client, tokens, body: dict[str, Any], field: str) -> None:
    answer = client.post("/api/v1/data", json=body, headers=tokens["user"])

    assert outcome(answer) == (400, -3003), answer.text
    assert set(answer.json["error"]["fields"]) == {field}


def test_what_is_too_deep_or_too_large_is_refused(client, tokens, keep) -> None:
    assert outcome(keep("k", nested(64))) == (400, -3001)
    assert outcome(keep("k", "x" * 2**20)) == (413, -3007)
    assert keep("k", "x" * (2**20 - 100)).status_code == 201


def test_guests_read_and_do_not_write(client, tokens, keep) -> None:
    keep("k", 1)
    assert outcome(keep("k", 2, "guest")) == outcome(keep("new", 2, "guest")) == (403, -2004)
    assert outcome(client.delete(path_of("k"), headers=tokens["guest"])) == (403, -2004)
    assert client.get(path_of("k"), headers=tokens["guest"]).json["data"]["value"] == 1


def test_only_the_owner_or_an_admin_replaces_and_deletes(client, tokens, users, keep) -> None:
    keep("admins", 1, "admin")
    keep("users", 1)

    assert outcome(keep("admins", 2)) == (403, -2004)
    assert outcome(client.delete(path_of("admins"), headers=tokens["user"])) == (403, -2004)
    replaced = keep("users", 2, "admin")
    assert (replaced.status_code, replaced.json["data"]["owner"]) == (200, f"user:{users['user']}")
    assert client.delete(path_of("users"), headers=tokens["admin"]).status_code == 200


def test_an_app_keeps_documents_as_itself(client, clock, shop, app) -> None:
    with app.extensions["postern"].database.write_session() as session:
        session.add(Document(key="k", value=1, owner="app:shop"))
    from tests.api.resources.test_apps import signed

    answer = client.get("/api/v1/data/k", headers=signed(clock, shop, "/api/v1/data/k"))
    assert answer.json["data"]["owner"] == "app:shop"


@pytest.mark.parametrize(("roles", "others"), [(("user",), 200), (("user", "admin"), None)])
def test_of_parallel_creations_of_one_key_one_is_first_and_none_breaks(
    app, tokens, roles, others
) -> None:
    def create(number: int) -> int:
        headers = tokens[roles[number % len(roles)]]
        return (
            app.test_client()
            .post("/api/v1/data", json={"key": "k", "value": number}, headers=headers)
            .status_code
        )

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(create, range(24)))

    assert statuses.count(201) == 1
    assert set(statuses) <= ({201, others} if others else {200, 201, 403})


def test_who_finds_the_key_taken_between_looking_and_writing_looks_again(
    client, keep, monkeypatch
) -> None:
    """What happens on a database where two may write at the same time."""
    keep("k", 1, "admin")
    keep("mine", 1)
    by_key = Document.by_key.__func__
    keys: list[str] = []

    def miss_first(cls: Any, session: Any, key: str, *, lock: bool = False) -> Any:
        keys.append(key)
        if keys.count(key) == 1:
            return None
        return by_key(cls, session, key, lock=lock)

    monkeypatch.setattr(Document, "by_key", classmethod(miss_first))
    assert outcome(keep("mine", 2)) == (200, 0)
    assert outcome(keep("k", 2)) == (403, -2004)


def test_a_read_that_has_not_changed_is_not_sent_again(client, tokens, keep) -> None:
    keep("k", 1)
    for number, path in enumerate((path_of("k"), "/api/v1/data"), 2):
        etag = client.get(path, headers=tokens["user"]).headers["ETag"]
        headers = {**tokens["user"], "If-None-Match": etag}
        assert client.get(path, headers=headers).status_code == 304
        keep("k", number)
        assert client.get(path, headers=headers).status_code == 200


def test_a_document_that_took_a_deleted_ones_place_has_another_etag(client, tokens, keep) -> None:
    keep("k", 1)
    etag = client.get(path_of("k"), headers=tokens["user"]).headers["ETag"]
    client.delete(path_of("k"), headers=tokens["user"])
    keep("k", 2)
    assert (
        client.get(path_of("k"), headers={**tokens["user"], "If-None-Match": etag}).json["data"][
            "value"
        ]
        == 2
    )


def test_a_write_on_what_has_changed_is_refused(client, tokens, keep) -> None:
    stale = keep("k", 1).headers["ETag"]
    assert keep("k", 2, **{"If-Match": stale}).status_code == 200

    assert outcome(keep("k", 3, **{"If-Match": stale})) == (412, -3009)
    assert outcome(client.delete(path_of("k"), headers={**tokens["user"], "If-Match": stale})) == (
        412,
        -3009,
    )
    assert (
        outcome(keep("gone", 1, **{"If-Match": stale}))
        == outcome(keep("gone", 1, **{"If-Match": "*"}))
        == (412, -3009)
    )
    assert client.get(path_of("k"), headers=tokens["user"]).json["data"]["value"] == 2


@pytest.mark.parametrize("sort", ["id", "-id", "key", "-key", "-created_at", "updated_at"])
def test_pages_after_a_key_and_by_offset_are_the_same_pages(
    client, tokens, keep, sort: str
) -> None:
    for key in ("b", "c/d", "a", "e", "100%"):
        keep(key, 1)

    def page(query: str) -> list[str]:
        answer = client.get(f"/api/v1/data?sort={sort}&{query}", headers=tokens["guest"])
        assert answer.json["data"]["total"] <= 5, answer.text
        return [item["key"] for item in answer.json["data"]["items"]]

    by_key = page("limit=2")
    for _ in range(2):
        by_key += page(f"limit=2&after={quote(by_key[-1])}")
    assert by_key == page("limit=5") == [*page("limit=2"), *page("skip=2")]


@pytest.mark.parametrize("query", ["after=nothing", "after=", "sort=value", "limit=101", "owner=x"])
def test_a_wrong_query_is_refused(client, tokens, query: str) -> None:
    assert outcome(client.get(f"/api/v1/data?{query}", headers=tokens["user"])) == (400, -3003)


def test_the_list_is_csv_with_values_as_json_text(client, tokens, keep) -> None:
    values = [{"a": "茶, x"}, [1.0], "=cmd", -5, -1.5e-7, None, True, 10**30]
    for number, value in enumerate(values):
        keep(f"={number}", value)
    with client.get("/api/v1/data", headers={**tokens["guest"], "Accept": "text/csv"}) as answer:
        rows = list(csv.reader(io.StringIO(answer.text)))

    assert rows[0] == ["key", "value", "owner", "created_at", "updated_at"]
    assert [row[0] for row in rows[1:]] == [f"'={number}" for number in range(len(values))]
    assert [json.loads(row[1]) for row in rows[1:]] == values
