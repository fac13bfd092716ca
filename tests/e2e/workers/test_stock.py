"""Stock under many buyers at once, and under a server that is killed while it sells."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.live import SERVERS, Live, catalog_for, wait_for

CONCURRENT_BUYERS = 50


class Till:
    """A live server's products and orders; every thread has a connection of its own."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.headers = {"Authorization": f"Bearer {live.token()}"}
        self._mine = threading.local()

    def post(self, path: str, body: Any) -> requests.Response:
        if not hasattr(self._mine, "session"):
            self._mine.session = requests.Session()
            self._mine.session.trust_env = False
        return self._mine.session.post(
            f"{self.live.url}/api/v1{path}", json=body, headers=self.headers, timeout=30
        )

    def product(self, name: str, stock: int) -> int:
        answer = self.post("/products", {"name": name, "price": "1.00", "stock": stock})
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["id"]

    def order(self, *lines: tuple[int, int]) -> requests.Response:
        items = [{"product_id": product, "quantity": quantity} for product, quantity in lines]
        return self.post("/users/1/orders", {"items": items})

    def stock(self, product: int) -> int:
        return self.live.get(f"/api/v1/products/{product}").json()["data"]["stock"]

    def orders(self) -> list[dict[str, Any]]:
        rows, after = [], 0
        while page := self.live.get(f"/api/v1/users/1/orders?limit=100&after={after}").json()[
            "data"
        ]["items"]:
            rows, after = rows + page, page[-1]["id"]
        return rows


@pytest.fixture(scope="module", params=SERVERS)
def till(
    request, box: Sandbox, database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Till]:
    gunicorn, kind = SERVERS[request.param]
    live = Live(
        tmp_path_factory.mktemp("stock"), catalog_for(box), gunicorn=gunicorn, **database(kind)
    )
    try:
        yield Till(live.start())
    finally:
        live.stop()


def served(ask: Callable[[], requests.Response]) -> int:
    """The status once it is not 503: of so many at once some wait too long for a connection to the database."""
    return wait_for(lambda: status if (status := ask().status_code) != 503 else None)


def test_fifty_buyers_at_once_take_exactly_what_there_is(till: Till) -> None:
    tea, cup, pot = till.product("Tea", 60), till.product("Cup", 40), till.product("Pot", 1000)

    def buy(number: int) -> tuple[str, int]:
        match number % 3:
            case 0:
                return "reduced", served(
                    lambda: till.post(f"/products/{tea}/reduce_stock", {"quantity": 1})
                )
            case 1:
                return "ordered", served(lambda: till.order((tea, 1), (cup, 1), (pot, 2)))
        return "ordered", served(lambda: till.order((pot, 2), (cup, 1), (tea, 1)))

    with ThreadPoolExecutor(CONCURRENT_BUYERS) as pool:
        counts = Counter(pool.map(buy, range(3 * CONCURRENT_BUYERS)))
    remaining = [till.stock(product) for product in (tea, cup, pot)]

    assert set(counts) <= {
        ("reduced", 200),
        ("reduced", 409),
        ("ordered", 201),
        ("ordered", 409),
    }, till.live.log
    reduced, ordered = counts["reduced", 200], counts["ordered", 201]
    assert len(till.orders()) == ordered
    assert remaining == [60 - reduced - ordered, 40 - ordered, 1000 - 2 * ordered]
    assert min(remaining) >= 0
    assert remaining[0] == 0 or remaining[1] == 0, "some were refused though there was enough"
    assert "database is locked" not in till.live.log


def test_a_killed_server_keeps_every_order_it_confirmed_and_half_of_none(till: Till) -> None:
    first, second = till.product("First", 10_000), till.product("Second", 10_000)
    confirmed: list[int] = []
    halfway = threading.Event()

    def buy(number: int) -> None:
        try:
            answer = till.order((first, 1), (second, 1 + number % 3))
        except requests.RequestException:
            return  # killed under us: nobody can say
        if answer.status_code == 503:
            return  # not confirmed: it waited too long for a connection to the database
        assert answer.status_code == 201, answer.text
        confirmed.append(answer.json()["data"]["id"])
        if len(confirmed) >= 150:
            halfway.set()

    with ThreadPoolExecutor(16) as pool:
        sold = [pool.submit(buy, number) for number in range(500)]
        assert halfway.wait(120), till.live.log
        master = till.live.process
        for pid in (master.pid, *till.live.workers()):
            os.kill(pid, signal.SIGKILL)
    master.wait(30)
    for order in sold:
        order.result()

    assert 150 <= len(confirmed) < 500
    if "sqlite" in till.live.env["DATABASE_URL"]:
        with closing(sqlite3.connect(till.live.log_file.with_name("postern.db"))) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert database.execute("PRAGMA foreign_key_check").fetchall() == []

    till.live.restart()
    orders = [order for order in till.orders() if order["items"][0]["product_id"] == first]
    assert set(confirmed) <= {order["id"] for order in orders}
    assert all(len(order["items"]) == 2 for order in orders)
    for number, product in enumerate((first, second)):
        assert (
            till.stock(product) + sum(order["items"][number]["quantity"] for order in orders)
            == 10_000
        )
    assert till.order((first, 1)).status_code == 201
