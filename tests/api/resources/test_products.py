"""Products over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event

from schemas.shop import ProductOut


@pytest.fixture
def make(client, tokens):
    def product(**fields: Any) -> dict[str, Any]:
        answer = client.post(
            "/api/v1/products",
            json={"name": "Tea", "price": "4.50", **fields},
            headers=tokens["user"],
        )
        assert answer.status_code == 201, answer.text
        return answer.json["data"]

    return product


def test_a_product_is_made_read_changed_and_deleted(client, tokens) -> None:
    tea = {
        "name": "Tea 茶 🍵 شاي",
        "price": "4.50",
        "description": "green",
        "stock": 3,
        "category": "drinks",
    }

    answer = client.post("/api/v1/products", json=tea, headers=tokens["user"])
    path = f"/api/v1/products/{answer.json['data']['id']}"
    read = client.get(path, headers=tokens["guest"])
    patched = client.patch(path, json={"stock": 0}, headers=tokens["user"])
    replaced = client.put(path, json={"name": "Coffee", "price": 7}, headers=tokens["user"])
    refused = client.delete(path, headers=tokens["user"])
    deleted = client.delete(path, headers=tokens["admin"])

    assert answer.status_code == 201
    assert {**tea, "in_stock": True}.items() <= read.json["data"].items()
    assert (patched.json["data"]["stock"], patched.json["data"]["in_stock"]) == (0, False)
    assert replaced.json["data"] == {
        **patched.json["data"],
        "name": "Coffee",
        "price": "7.00",
        "description": "",
        "category": None,
    }
    assert (refused.status_code, refused.json["code"]) == (403, -2004)
    assert (deleted.status_code, deleted.json["data"]) == (200, None)
    assert client.get(path, headers=tokens["guest"]).status_code == 404


def test_a_product_is_the_same_made_read_listed_and_changed(client, tokens, make) -> None:
    product = make(price=0, category="drinks")
    path = f"/api/v1/products/{product['id']}"

    read = client.get(path, headers=tokens["guest"])
    [listed] = client.get("/api/v1/products", headers=tokens["guest"]).json["data"]["items"]
    unchanged = client.patch(path, json={}, headers=tokens["user"])

    assert product == read.json["data"] == listed == unchanged.json["data"]
    assert list(product) == list(ProductOut().fields)
    assert read.headers["ETag"] == unchanged.headers["ETag"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "NaN"), ("price", "1e400"), ("price", -1), ("price", "1.005"), ("price", "10000000000"), ("price", True),
        ("price", None), ("price", ""), ("price", [1]), ("name", ""), ("name", "a\0b"), ("name", "x" * 201), ("name", 5),
        ("stock", -1), ("stock", 1.5), ("stock", "3"), ("stock", 2**63), ("stock", 10**30), ("stock", True), ("colour", "red"),
        ("id", 5), ("category", ""), ("description", None),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(client, tokens, field: str, value: Any) -> None:
    answer = client.post(
        "/api/v1/products", json={"name": "Tea", "price": 1, field: value}, headers=tokens["user"]
    )

    assert (answer.status_code, answer.json["code"]) == (400, -3003), answer.text
    assert set(answer.json["error"]["fields"]) == {field}


def test_a_name_is_taken_once(client, tokens, make) -> None:
    make()
    other = make(name="Coffee")

    again = client.post(
        "/api/v1/products", json={"name": "Tea", "price": 1}, headers=tokens["user"]
    )
    renamed = client.patch(
        f"/api/v1/products/{other['id']}", json={"name": "Tea"}, headers=tokens["user"]
    )

    assert (again.status_code, again.json["code"]) == (409, -3006)
    assert (renamed.status_code, renamed.json["code"]) == (409, -3006)
    for answer in (again, renamed):
        assert answer.json["error"]["fields"] == {"name": ["There is one already."]}


def test_a_product_that_was_ordered_is_not_deleted_and_that_is_nobodys_field(
    client, tokens, users, make
) -> None:
    number = make(stock=3)["id"]
    lines = {"items": [{"product_id": number, "quantity": 1}]}
    assert (
        client.post(
            f"/api/v1/users/{users['user']}/orders", json=lines, headers=tokens["user"]
        ).status_code
        == 201
    )
    answer = client.delete(f"/api/v1/products/{number}", headers=tokens["admin"])
    assert (answer.status_code, "fields" in answer.json["error"]) == (409, False)


def test_guests_read_and_do_not_write(client, tokens, make) -> None:
    path = f"/api/v1/products/{make()['id']}"

    for verb, where, body in [
        ("post", "/api/v1/products", {}),
        ("put", path, {}),
        ("patch", path, {}),
        ("post", f"{path}/reduce_stock", {}),
    ]:
        assert (
            getattr(client, verb)(where, json=body, headers=tokens["guest"]).json["code"] == -2004
        )
    assert client.get(path, headers=tokens["guest"]).status_code == 200


def test_stock_is_reduced_and_never_below_zero(client, tokens, make) -> None:
    path = f"/api/v1/products/{make(stock=3)['id']}/reduce_stock"

    first = client.post(path, json={"quantity": 2}, headers=tokens["user"])
    second = client.post(path, json={"quantity": 2}, headers=tokens["user"])

    assert first.json["data"]["stock"] == 1
    assert (second.status_code, second.json["code"]) == (409, -3006)
    assert (
        client.get(path.removesuffix("/reduce_stock"), headers=tokens["user"]).json["data"]["stock"]
        == 1
    )


def test_a_read_that_has_not_changed_is_not_sent_again(client, tokens, make) -> None:
    path = f"/api/v1/products/{make()['id']}"
    for stock, where in enumerate((path, "/api/v1/products"), 1):
        etag = client.get(where, headers=tokens["user"]).headers["ETag"]

        same = client.get(where, headers={**tokens["user"], "If-None-Match": etag})
        assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", etag)
        client.patch(path, json={"stock": stock}, headers=tokens["user"])
        assert (
            client.get(where, headers={**tokens["user"], "If-None-Match": etag}).status_code == 200
        )


def test_a_write_on_what_has_changed_is_refused(client, tokens, make) -> None:
    path = f"/api/v1/products/{make(stock=5)['id']}"
    etag = client.get(path, headers=tokens["user"]).headers["ETag"]
    fresh = client.patch(path, json={"stock": 6}, headers={**tokens["user"], "If-Match": etag})
    stale = {**tokens["admin"], "If-Match": etag}

    assert fresh.status_code == 200
    for answer in (
        client.patch(path, json={"stock": 7}, headers=stale),
        client.put(path, json={"name": "x", "price": 1}, headers=stale),
        client.delete(path, headers=stale),
    ):
        assert (answer.status_code, answer.json["code"]) == (412, -3009)
    assert client.get(path, headers=tokens["user"]).json["data"]["stock"] == 6
    assert (
        client.patch(
            path, json={"stock": 8}, headers={**tokens["user"], "If-Match": "*"}
        ).status_code
        == 200
    )


@pytest.mark.parametrize("nothing", ["", ",", '"'])
def test_an_if_match_that_names_no_version_guards_a_write_all_the_same(
    client, tokens, make, nothing: str
) -> None:
    path = f"/api/v1/products/{make(stock=5)['id']}"
    headers = {**tokens["admin"], "If-Match": nothing}
    for answer in (
        client.patch(path, json={"stock": 7}, headers=headers),
        client.post(f"{path}/reduce_stock", json={"quantity": 1}, headers=headers),
        client.delete(path, headers=headers),
    ):
        assert (answer.status_code, answer.json["code"]) == (412, -3009)
    assert client.get(path, headers=tokens["user"]).json["data"]["stock"] == 5


def test_stock_is_not_taken_from_what_has_changed(client, tokens, make) -> None:
    path = f"/api/v1/products/{make(stock=5)['id']}"
    etag = client.get(path, headers=tokens["user"]).headers["ETag"]

    def take(etag: str) -> Any:
        headers = {**tokens["user"], "If-Match": etag}
        return client.post(f"{path}/reduce_stock", json={"quantity": 1}, headers=headers)

    assert take(etag).status_code == 200
    refused = take(etag)
    assert (refused.status_code, refused.json["code"]) == (412, -3009)
    assert client.get(path, headers=tokens["user"]).json["data"]["stock"] == 4
    assert take("*").status_code == 200


def test_a_list_may_be_skipped_as_far_as_64_bits_go(client, tokens, make) -> None:
    make()
    page = client.get(f"/api/v1/products?skip={2**63 - 1}", headers=tokens["user"]).json["data"]
    assert (page["items"], page["total"]) == ([], 1)


def test_of_many_who_take_stock_of_the_same_version_one_does(app, client, tokens, make) -> None:
    path = f"/api/v1/products/{make(stock=50)['id']}"

    def take(etag: str) -> int:
        headers = {**tokens["user"], "If-Match": etag}
        url = f"{path}/reduce_stock"
        return app.test_client().post(url, json={"quantity": 1}, headers=headers).status_code

    for _ in range(5):
        etag = client.get(path, headers=tokens["user"]).headers["ETag"]
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(take, [etag] * 8))
        assert sorted(statuses) == [200] + [412] * 7
    assert client.get(path, headers=tokens["user"]).json["data"]["stock"] == 45


@pytest.mark.parametrize("which", ["abc", "-1", "1.5", "99999999999999999999", "0", "999"])
def test_an_id_that_is_none_is_not_found(client, tokens, which: str) -> None:
    assert client.get(f"/api/v1/products/{which}", headers=tokens["user"]).json["code"] == -3004


def test_lists_are_filtered_searched_and_sorted(client, tokens, make) -> None:
    for name, price, stock, category in [
        ("Tea", "4.50", 0, "a"),
        ("Black tea", "10.00", 2, "b"),
        ("100%", "9.99", 1, "a"),
    ]:
        make(name=name, price=price, stock=stock, category=category)

    def names(query: str) -> list[str]:
        answer = client.get(f"/api/v1/products?{query}", headers=tokens["guest"])
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json["data"]["items"]]

    assert names("") == ["Tea", "Black tea", "100%"]
    assert names("sort=-price") == ["Black tea", "100%", "Tea"]
    assert names("q=TEA") == ["Tea", "Black tea"]
    assert names("q=%25") == ["100%"]
    assert names("in_stock=true&sort=name") == ["100%", "Black tea"]
    assert names("in_stock=false") == ["Tea"]
    assert names("category=a&price_min=5") == ["100%"]
    assert names("price_min=4.50&price_max=9.99&sort=price") == ["Tea", "100%"]
    in_stock = client.get("/api/v1/products/in_stock", headers=tokens["guest"]).json["data"]
    assert [item["name"] for item in in_stock["items"]] == ["Black tea", "100%"]


@pytest.mark.parametrize("sort", ["id", "-id", "price", "-price", "name", "-created_at"])
def test_pages_by_key_and_by_offset_are_the_same_pages(client, tokens, make, sort: str) -> None:
    for number in range(7):
        make(name=f"p{number}", price=number % 3)

    whole = client.get(f"/api/v1/products?sort={sort}&limit=100", headers=tokens["user"]).json[
        "data"
    ]
    by_offset, by_key, after = [], [], ""
    for number in range(4):
        page = client.get(
            f"/api/v1/products?sort={sort}&skip={2 * number}&limit=2", headers=tokens["user"]
        ).json["data"]
        assert (page["total"], page["skip"], page["limit"]) == (7, 2 * number, 2)
        by_offset += page["items"]
        page = client.get(
            f"/api/v1/products?sort={sort}&limit=2{after}", headers=tokens["user"]
        ).json["data"]
        by_key += page["items"]
        after = f"&after={page['items'][-1]['id']}"

    assert whole["items"] == by_offset == by_key
    path = f"/api/v1/products?sort={sort}&skip=7"
    beyond = client.get(path, headers=tokens["user"]).json["data"]
    assert (beyond["items"], beyond["total"]) == ([], 7)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=100000", "limit=x", "skip=-1", "skip=99999999999999999999", "sort=password_hash",
     "sort=", "after=-1", "after=x", "price_min=abc", "price_min=NaN", "in_stock=maybe", "q=", "q=%00", "colour=red", "limit=1&limit=2"],
)  # fmt: skip
def test_a_wrong_query_is_refused(client, tokens, query: str) -> None:
    answer = client.get(f"/api/v1/products?{query}", headers=tokens["user"])

    assert (answer.status_code, answer.json["code"]) == (400, -3003), answer.text
    assert set(answer.json["error"]["fields"]) == {query.split("=", maxsplit=1)[0]}


def test_a_list_is_csv_for_who_accepts_it(client, tokens, make) -> None:
    for number in range(12):
        make(name=f"=cmd|{number}", description='say "hi", 茶')

    with client.get("/api/v1/products", headers={**tokens["user"], "Accept": "text/csv"}) as csv:
        assert csv.mimetype == "text/csv"
        lines = csv.text.splitlines()
    with client.get(
        "/api/v1/products?limit=3&skip=1", headers={**tokens["user"], "Accept": "text/csv"}
    ) as page:
        three = page.text.splitlines()

    assert lines[0] == "id,name,price,description,stock,in_stock,category,created_at"
    assert len(lines) == 13
    assert lines[1].startswith('1,\'=cmd|0,4.50,"say ""hi"", 茶",0,false,,20')
    assert [line.split(",")[0] for line in three[1:]] == ["2", "3", "4"]


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        ("application/json; charset=utf-8", "application/json"),
        ("text/csv; charset=utf-8", "text/csv"),
        ("text/csv;charset=utf-8;q=0.1, application/json;charset=UTF-8;q=0.2", "application/json"),
        ("text/html; charset=utf-8, application/json; q=0", None),
    ],
)
def test_a_charset_in_accept_changes_nothing(
    client, tokens, make, accept: str, mimetype: str | None
) -> None:
    paths = ["/api/v1/products", f"/api/v1/products/{make()['id']}", "/api/v1/services"]
    if mimetype == "text/csv":
        paths = paths[:1]
    for path in paths:
        with client.get(path, headers={**tokens["user"], "Accept": accept}) as answer:
            expected = (406, "application/json") if mimetype is None else (200, mimetype)
            assert (answer.status_code, answer.mimetype) == expected, path


def test_a_read_is_kept_until_the_next_write(client, tokens, make, app) -> None:
    path = f"/api/v1/products/{make(stock=5)['id']}"
    reads: list[str] = []
    event.listen(
        app.extensions["postern"].database.engine,
        "before_cursor_execute",
        lambda *args: reads.append(args[2]),
    )

    def read(where: str) -> tuple[Any, bool]:
        """The data, and whether the database was asked for products."""
        reads.clear()
        answer = client.get(where, headers=tokens["guest"])
        return answer.json["data"], any("products" in statement for statement in reads)

    for where in (path, "/api/v1/products", "/api/v1/products?q=tea"):
        first, again = read(where), read(where)
        assert (first[1], again[1]) == (True, False)
        assert first[0] == again[0]
    client.post(f"{path}/reduce_stock", json={"quantity": 1}, headers=tokens["user"])

    assert (read(path)[0]["stock"], read("/api/v1/products")[0]["items"][0]["stock"]) == (4, 4)


def test_a_refused_write_and_a_failed_read_keep_nothing(client, tokens, make) -> None:
    assert client.get("/api/v1/products/1", headers=tokens["guest"]).status_code == 404
    make(stock=1)

    assert client.get("/api/v1/products/1", headers=tokens["guest"]).json["data"]["stock"] == 1
    assert client.get("/api/v1/products/1").status_code == 401


@pytest.mark.parametrize("accept", ["text/html", "image/*", "application/xml;q=0.9"])
@pytest.mark.parametrize(
    "path", ["/api/v1/products", "/api/v1/products/1", "/api/v1/users", "/api/v1/files"]
)
def test_an_accept_that_allows_no_format_we_have_is_refused(
    client, tokens, make, path: str, accept: str
) -> None:
    make()

    answer = client.get(path, headers={**tokens["admin"], "Accept": accept})

    assert (answer.status_code, answer.json["code"]) == (406, -3010)


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, */*;q=0.1", ""])
def test_any_accept_that_allows_json_gets_it(client, tokens, make, accept: str) -> None:
    make()

    assert (
        client.get("/api/v1/products", headers={**tokens["admin"], "Accept": accept}).json["code"]
        == 0
    )
