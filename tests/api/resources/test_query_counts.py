"""A list asks the database as often for thirty rows as for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from models import App, AuditEvent, Document, File, Order, OrderLine, Product, User

MAKERS: dict[str, Callable[[int], Any]] = {
    "/users": lambda number: User(username=f"u{number}", password_hash="-"),
    "/apps": lambda number: App(app_id=f"a{number}", secret="-", allow=["*"]),
    "/audit": lambda number: AuditEvent(
        actor="user:1", action="user.change", object=f"user:{number}"
    ),
    "/data": lambda number: Document(key=f"k{number}", value={"n": number}, owner="user:1"),
    "/products": lambda number: Product(name=f"p{number}", price=1, stock=1),
    "/products/in_stock": lambda number: Product(name=f"p{number}", price=1, stock=1),
    "/files": lambda number: File(
        name=f"f{number}",
        content_type="a/b",
        size=1,
        sha256="-",
        stored_as=f"s{number}",
        owner="user:1",
    ),
    "/users/1/orders": lambda number: Order(
        user_id=1,
        total=number,
        items=[OrderLine(product_id=1, quantity=index + 1, price=1) for index in range(3)],
    ),
}
#: No rows: the catalog is in memory, its connections too, and so are the records of calls, or in Redis.
ROWLESS = {"/services", "/calls", "/connections"}


def test_no_list_is_left_out(client) -> None:
    paths = client.get("/openapi.json").json["paths"]
    lists = {
        path.removeprefix("/api/v1").replace("{user_id}", "1")
        for path, item in paths.items()
        if "ListOutEnvelope" in json.dumps(item.get("get", {}))
    }

    assert lists == MAKERS.keys() | ROWLESS


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
@pytest.mark.parametrize("path", MAKERS)
def test_a_list_takes_as_many_statements_for_30_rows_as_for_1(
    app, client, tokens, path: str, accept: str
) -> None:
    database = app.extensions["postern"].database
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    def cost(query: str = "?limit=100") -> tuple[int, int]:
        """Statements, and bytes answered."""
        for resource in ("products", "orders", "data", "files"):
            app.extensions["postern"].cache.delete(f"generation:{resource}")
        statements.clear()
        with client.get(
            f"/api/v1{path}{query}", headers={**tokens["admin"], "Accept": accept}
        ) as answer:
            assert answer.status_code == 200, answer.text
            size = len(answer.data)  # a CSV asks while it is read
            return len(statements), size

    def add(first: int, last: int) -> None:
        with database.write_session() as session:
            if "orders" in path and session.get(Product, 1) is None:
                session.add(Product(name="sold", price=1, stock=1))
            session.add_all(map(MAKERS[path], range(first, last)))

    add(0, 1)
    cost()  # the first request also loads what was revoked
    one = cost()
    add(1, 30)
    thirty = cost()

    assert one[0] == thirty[0] > 0
    assert thirty[1] > 5 * one[1] or path == "/users"
