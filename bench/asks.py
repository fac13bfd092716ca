"""What the load can ask of a server, and which answers are right."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

KINDS = 64  # different bodies of a call
ROWS, PAGE = 1000, 50  # products in the table, products on a page
PRODUCTS = "/api/v1/products"


@dataclass(frozen=True)
class Ask:
    """One kind of request: its target and its body by its number in a round, and whether the answer is right."""

    target: Callable[[int], str]
    right: Callable[[Any, int], bool]
    body: Callable[[int, str], Any] | None = None
    status: int = 200

    def request(self, number: int, mark: str, token: str) -> bytes:
        """The bytes to send. ``mark`` is this round's: what must be new has it in its name."""
        head = f"{'POST' if self.body else 'GET'} {self.target(number)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += f"Authorization: Bearer {token}\r\n"
        if not self.body:
            return f"{head}\r\n".encode()
        body = json.dumps(self.body(number, mark)).encode()
        return (
            f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )

    def answered(self, head: bytes, body: bytes, number: int) -> bool:
        if not head.startswith(b"HTTP/1.1 %d " % self.status):
            return False
        answer = json.loads(body)
        return answer["code"] == 0 and self.right(answer["data"], number)


def _message(number: int, mark: str) -> Any:
    return {
        "touser": f"user-{number % KINDS}",
        "text": f"Your parcel {number % KINDS} is on its way. " * 3,
    }


def _product(number: int, mark: str) -> Any:
    return {
        "name": f"Product {mark}-{number}",
        "price": f"{number}.50",
        "description": "A product that nobody had before",
        "stock": number,
        "category": f"category {number % 20}",
    }


def _page_of(data: Any, number: int) -> bool:
    return len(data["items"]) == PAGE and data["total"] >= ROWS and set(data["items"][0]) == FIELDS


FIELDS = {"id", "name", "price", "description", "stock", "in_stock", "category", "created_at"}
ASKS = {
    "call": Ask(lambda number: "/api/v1/call/wechat/send_msg", lambda data, number: True, _message),
    "create": Ask(
        lambda number: PRODUCTS,
        lambda data, number: (
            set(data) == FIELDS and data["price"] == f"{number}.50" and data["stock"] == number
        ),
        _product,
        201,
    ),
    "pages": Ask(lambda number: f"{PRODUCTS}?limit={PAGE}&skip={number % (ROWS - PAGE)}", _page_of),
    "page": Ask(lambda number: f"{PRODUCTS}?limit={PAGE}", _page_of),
    "items": Ask(
        lambda number: f"{PRODUCTS}/{1 + number % ROWS}",
        lambda data, number: set(data) == FIELDS and data["id"] == 1 + number % ROWS,
    ),
    "item": Ask(
        lambda number: f"{PRODUCTS}/7", lambda data, number: set(data) == FIELDS and data["id"] == 7
    ),
}
