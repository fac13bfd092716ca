"""A list asks the database as often for thirty rows as for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from models import App, Document, Product, User

MAKERS: dict[str, Callable[[int], Any]] = {
    "/users": lambda number: User(username=f"u{number}", password_hash="-"),
    "/apps": lambda number: App(app_id=f"a{number}", secret="-", allow=["*"]),
    "/data": lambda number: Document(key=f"k{number}", value={"n": number}, owner="user:1"),
    "/products": lambda number: Product(name=f"p{number}", price=1, stock=1),
    "/products/in_stock": lambda number: Product(name=f"p{number}", price=1, stock=1),
}


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
@pytest.mark.parametrize("path", MAKERS)
def test_a_list_takes_as_many_statements_for_30_rows_as_for_1(app, client, tokens, path: str, accept: str) -> None:
    database = app.extensions["postern"].database
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    def asked(query: str = "?limit=100") -> tuple[int, int]:
        """Statements, and bytes answered."""
        app.extensions["postern"].cache.delete("generation:products")
        statements.clear()
        with client.get(f"/api/v1{path}{query}", headers={**tokens["admin"], "Accept": accept}) as answer:
            assert answer.status_code == 200, answer.text
            size = len(answer.data)  # a CSV asks while it is read
            return len(statements), size

    def add(first: int, last: int) -> None:
        with database.session() as session:
            session.add_all(map(MAKERS[path], range(first, last)))

    add(0, 1)
    asked()  # the first request also loads what was revoked
    one = asked()
    add(1, 30)
    thirty = asked()

    assert one[0] == thirty[0] > 0
    assert thirty[1] > 5 * one[1] or path == "/users"
