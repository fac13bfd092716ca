"""Orders over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from models import Product


@pytest.fixture
def make(app) -> Callable[..., int]:
    """A product's id."""

    def product(name: str, price: str = "4.50", stock: int = 10) -> int:
        with app.extensions["postern"].database.write_session() as session:
            row = Product(name=name, price=price, stock=stock)
            session.add(row)
            session.flush()
            return row.id

    return product


@pytest.fixture
def stock(app) -> Callable[[int], int]:
    def left(product_id: int) -> int:
        with app.extensions["postern"].database.read_session() as session:
            return session.get_one(Product, product_id).stock

    return left


@pytest.fixture
def order(client, tokens, users):
    def send(*lines: tuple[int, int], who: str = "user", owner: str = "user") -> Any:
        body = {
            "items": [{"product_id": product, "quantity": quantity} for product, quantity in lines]
        }
        return client.post(f"/api/v1/users/{users[owner]}/orders", json=body, headers=tokens[who])

    return send


def test_an_order_takes_stock_and_copies_prices(client, tokens, users, make, stock, order) -> None:
    tea, cup = make("Tea", "4.50"), make("Cup", "0.01")

    answer = order((cup, 3), (tea, 2))
    client.patch(f"/api/v1/products/{tea}", json={"price": 9}, headers=tokens["user"])
    read = client.get(f"/api/v1/orders/{answer.json['data']['id']}", headers=tokens["user"])

    assert answer.status_code == 201, answer.text
    assert read.json["data"] == answer.json["data"]
    assert answer.headers["ETag"] == read.headers["ETag"]
    data = answer.json["data"]
    assert {key: data[key] for key in data if key not in ("id", "created_at")} == {
        "user_id": users["user"],
        "status": "pending",
        "total": "9.03",
        "items": [
            {"product_id": cup, "quantity": 3, "price": "0.01"},
            {"product_id": tea, "quantity": 2, "price": "4.50"},
        ],
        "via": None,
    }
    assert (stock(tea), stock(cup)) == (8, 7)
    not_changed = {**tokens["user"], "If-None-Match": answer.headers["ETag"]}
    assert client.get(f"/api/v1/orders/{data['id']}", headers=not_changed).status_code == 304


def test_short_stock_names_the_lines_and_takes_nothing(
    make, stock, order, client, tokens, users
) -> None:
    tea, cup, pot = make("Tea"), make("Cup", stock=1), make("Pot", stock=0)

    answer = order((tea, 1), (pot, 1), (cup, 2))

    assert (answer.status_code, answer.json["code"]) == (409, -3006)
    assert answer.json["error"]["fields"] == {
        "items.1.product_id": ["There are only 0 in stock."],
        "items.2.product_id": ["There are only 1 in stock."],
    }
    assert (stock(tea), stock(cup)) == (10, 1)
    assert (
        client.get(f"/api/v1/users/{users['user']}/orders", headers=tokens["user"]).json["data"][
            "total"
        ]
        == 0
    )


def test_an_unknown_product_is_named_and_nothing_is_taken(make, stock, order) -> None:
    tea = make("Tea")

    answer = order((tea, 1), (999, 1), (2**31 - 1, 1))

    assert (answer.status_code, answer.json["code"]) == (400, -3003)
    assert set(answer.json["error"]["fields"]) == {"items.1.product_id", "items.2.product_id"}
    assert stock(tea) == 10


LINE = {"product_id": 1, "quantity": 1}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "items"), ({"items": []}, "items"), ({"items": None}, "items"), ({"items": {}}, "items"), ({"items": "x"}, "items"),
        ({"items": [LINE] * 101}, "items"), ({"items": [LINE], "status": "paid"}, "status"), ({"items": [5]}, "items.0._schema"),
        ({"items": [LINE, LINE]}, "items.1.product_id"), ({"items": [{"product_id": 1}]}, "items.0.quantity"),
        ({"items": [LINE, {"product_id": 2, "quantity": 0}]}, "items.1.quantity"), ({"items": [{**LINE, "price": 0}]}, "items.0.price"),
        ({"items": [{**LINE, "quantity": -1}]}, "items.0.quantity"), ({"items": [{**LINE, "quantity": 1.5}]}, "items.0.quantity"),
        ({"items": [{**LINE, "quantity": 2**31}]}, "items.0.quantity"), ({"items": [{**LINE, "quantity": True}]}, "items.0.quantity"),
        ({"items": [{**LINE, "product_id": "1"}]}, "items.0.product_id"), ({"items": [{**LINE, "product_id": 2**31}]}, "items.0.product_id"),
        ({"items": [{**LINE, "product_id": 0}]}, "items.0.product_id"),
    ],
)  # fmt: skip
def test_a_wrong_order_is_refused_by_field(client, tokens, users, body: Any, field: str) -> None:

    answer = client.post(f"/api/v1/users/{users['user']}/orders", json=body, headers=tokens["user"])

    assert (answer.status_code, answer.json["code"]) == (400, -3003), answer.text
    assert set(answer.json["error"]["fields"]) == {field}


def test_a_total_that_no_column_holds_is_refused(make, stock, order) -> None:
    gold = make("Gold", "9999999999.99", 2**40)

    whole, over, far_over = order((gold, 1)), order((gold, 2)), order((gold, 2**31 - 1))

    assert (whole.status_code, whole.json["data"]["total"]) == (201, "9999999999.99")
    assert (over.status_code, far_over.status_code) == (400, 400)
    assert set(over.json["error"]["fields"]) == {"items"}
    assert stock(gold) == 2**40 - 1


def test_a_user_has_its_own_orders_and_an_admin_everybodys(
    client, tokens, users, make, order
) -> None:
    tea = make("Tea")
    theirs, admins = order((tea, 1)), order((tea, 1), who="admin", owner="admin")
    path = f"/api/v1/orders/{theirs.json['data']['id']}"
    foreign = f"/api/v1/orders/{admins.json['data']['id']}"

    assert client.get(path, headers=tokens["admin"]).status_code == 200
    assert order((tea, 1), who="admin").json["data"]["user_id"] == users["user"]
    for answer in (
        client.get(path, headers=tokens["guest"]),
        client.get(foreign, headers=tokens["user"]),
        client.get(f"/api/v1/users/{users['admin']}/orders", headers=tokens["user"]),
        client.get("/api/v1/users/999/orders", headers=tokens["admin"]),
        client.post(f"{foreign}/pay", json={"via": "pay.charge"}, headers=tokens["user"]),
        order((tea, 1), owner="admin"),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, -3004)
    refused = order((tea, 1), who="guest", owner="guest")
    assert (refused.status_code, refused.json["code"]) == (403, -2004)
    assert client.get(path).json["code"] == -2001


def test_a_guest_reads_the_list_of_its_orders(client, tokens, users, make, order) -> None:
    order((make("Tea"), 1), who="admin", owner="guest")

    listed = client.get(f"/api/v1/users/{users['guest']}/orders", headers=tokens["guest"])

    assert listed.json["data"]["total"] == 1


def test_an_app_has_no_orders(client, users, shop, clock, make, order) -> None:
    order_id = order((make("Tea"), 1)).json["data"]["id"]

    for path in (f"/api/v1/orders/{order_id}", f"/api/v1/users/{users['user']}/orders"):
        proof = f"GET\n{path}\n{int(clock.wall())}\nnonce-{order_id}-{len(path)}\n{hashlib.sha256(b'').hexdigest()}"
        headers = {
            "X-App-Id": "shop",
            "X-Timestamp": str(int(clock.wall())),
            "X-Nonce": f"nonce-{order_id}-{len(path)}",
            "X-Signature": hmac.new(shop.encode(), proof.encode(), hashlib.sha256).hexdigest(),
        }
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (404, -3004)


@contextmanager
def statements(app) -> Iterator[list[str]]:
    texts: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *args: Any) -> None:
        texts.append(statement)

    engine = app.extensions["postern"].database.engine
    event.listen(engine, "before_cursor_execute", note)
    yield texts
    event.remove(engine, "before_cursor_execute", note)


def test_a_list_takes_as_many_statements_for_two_orders_as_for_twenty(
    app, client, tokens, users, make, order
) -> None:
    products = [make(f"p{number}", stock=100) for number in range(3)]
    counts = []
    for more in (2, 18):
        for _ in range(more):
            order(*((product, 1) for product in products))
        with statements(app) as texts:
            listed = client.get(
                f"/api/v1/users/{users['user']}/orders?limit=100", headers=tokens["user"]
            )
        counts.append(len(texts))

    assert listed.json["data"]["total"] == 20
    assert all(len(item["items"]) == 3 for item in listed.json["data"]["items"])
    assert counts[0] == counts[1]


def test_orders_are_filtered_sorted_and_paged(app, client, tokens, users, make, order) -> None:
    penny = make("Penny", "0.01", 100)
    ids = [order((penny, quantity)).json["data"]["id"] for quantity in (2, 3, 1)]
    foreign = order((penny, 1), who="admin", owner="admin").json["data"]["id"]
    with app.extensions["postern"].database.write_session() as session:
        session.connection().exec_driver_sql(
            f"UPDATE orders SET status = 'paid' WHERE id = {ids[0]}"
        )

    def search(query: str) -> Any:
        answer = client.get(f"/api/v1/users/{users['user']}/orders?{query}", headers=tokens["user"])
        return (
            [item["id"] for item in answer.json["data"]["items"]]
            if answer.status_code == 200
            else answer.json
        )

    assert search("") == ids
    assert search("sort=-total") == [ids[1], ids[0], ids[2]]
    assert search("sort=-created_at&limit=1") == ids[2:]
    assert search("status=paid") == ids[:1]
    assert search("status=pending&sort=total") == [ids[2], ids[1]]
    assert search(f"sort=total&after={ids[2]}") == [ids[0], ids[1]]
    assert search(f"after={ids[0]}") == search(f"after={ids[0]}&sort=id") == ids[1:]
    assert search("after=0") == ids
    assert (
        search("status=lost")["code"]
        == search("sort=user_id")["code"]
        == search("q=x")["code"]
        == -3003
    )
    for stranger in (foreign, 999):
        assert search(f"sort=total&after={stranger}")["error"]["fields"] == {
            "after": ["There is no such item."]
        }


def test_orders_are_csv_for_who_accepts_it(client, tokens, users, make, order) -> None:
    data = order((make("Tea"), 2)).json["data"]

    with client.get(
        f"/api/v1/users/{users['user']}/orders", headers={**tokens["user"], "Accept": "text/csv"}
    ) as answer:
        lines = answer.text.splitlines()

    assert lines[0] == "id,user_id,status,total,via,created_at"
    assert lines[1].startswith(f"{data['id']},{users['user']},pending,9.00,,")


def test_an_ordered_product_is_not_deleted(client, tokens, make, order) -> None:
    tea = make("Tea")
    order((tea, 1))

    assert client.delete(f"/api/v1/products/{tea}", headers=tokens["admin"]).status_code == 409


def test_orders_at_once_never_take_more_than_there_is(app, tokens, users, make, stock) -> None:
    tea, cup = make("Tea", stock=5), make("Cup", stock=100)

    def buy(number: int) -> int:
        lines = [{"product_id": tea, "quantity": 1}, {"product_id": cup, "quantity": 2}]
        body = {"items": lines if number % 2 else lines[::-1]}
        answer = app.test_client().post(
            f"/api/v1/users/{users['user']}/orders", json=body, headers=tokens["user"]
        )
        return answer.status_code

    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(buy, range(32)))

    assert sorted(answers) == [201] * 5 + [409] * 27
    assert (stock(tea), stock(cup)) == (0, 90)
    assert time.monotonic() - began < 60
