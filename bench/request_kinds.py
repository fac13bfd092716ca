"""What the load can ask of a server, and which answers are right."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

KINDS = 64  # different bodies of a call
ROWS = 1000  # products in the table
PAGE = 50  # products on a page
PRODUCTS = "/api/v1/products"
BATCH_CALLS = 10
CACHED_PAGES = 16
CALL = "/api/v1/call/wechat/send_msg"
SLOW_PART_SECONDS = 0.05


@dataclass(frozen=True)
class RequestKind:
    """One kind of request.

    :ivar target: path and query by the request's number in a round.
    :ivar is_right: whether the ``data`` of an answer is right; of ``raw`` answers the whole body.
    :ivar body: the JSON to send, by number and by the round's mark; a GET has none.
    :ivar signed: the caller is an app, and its token ``id:secret``.
    """

    target: Callable[[int], str]
    is_right: Callable[[Any, int], bool]
    body: Callable[[int, str], Any] | None = None
    status: int = 200
    raw: bool = False
    signed: bool = False

    def request(self, number: int, mark: str, token: str) -> bytes:
        """Return the bytes to send. What must be new has ``mark`` in its name."""
        verb = "POST" if self.body else "GET"
        target = self.target(number)
        body = json.dumps(self.body(number, mark)).encode() if self.body else b""
        lines = [f"{verb} {target} HTTP/1.1", "Host: 127.0.0.1"]
        lines += (
            _signature(token, verb, target, body)
            if self.signed
            else [f"Authorization: Bearer {token}"]
        )
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def matches(self, head: bytes, body: bytes, number: int) -> bool:
        """Whether an answer is the one that is due."""
        if not head.startswith(b"HTTP/1.1 %d " % self.status):
            return False
        if self.raw:
            return self.is_right(body, number)
        answer = json.loads(body)
        if "errcode" in answer:  # the vendor's own words, handed on by nginx
            return answer["errcode"] == 0
        return answer["code"] == 0 and self.is_right(answer["data"], number)


def _signature(token: str, verb: str, target: str, body: bytes) -> list[str]:
    """Return the header lines of an app's proof, as docs/calling.md has it."""
    app_id, _, secret = token.partition(":")
    timestamp = str(int(time.time()))
    nonce = secrets.token_hex(16)
    text = "\n".join((verb, target, timestamp, nonce, hashlib.sha256(body).hexdigest()))
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return [
        f"X-App-Id: {app_id}",
        f"X-Timestamp: {timestamp}",
        f"X-Nonce: {nonce}",
        f"X-Signature: {signature}",
    ]


def _message(number: int, mark: str) -> Any:
    return {
        "touser": f"user-{number % KINDS}",
        "text": f"Your parcel {number % KINDS} is on its way. " * 3,
    }


def _batch(number: int, mark: str) -> Any:
    parts = (_message(number + part, mark) for part in range(BATCH_CALLS))
    return {
        "calls": [
            {"id": str(part), "service": "wechat", "method": "send_msg", "params": params}
            for part, params in enumerate(parts)
        ]
    }


def _slow_batch(number: int, mark: str) -> Any:
    params = {"fault": f"delay={SLOW_PART_SECONDS}"}
    return {
        "calls": [
            {"id": str(part), "service": "demo", "method": "misbehave", "params": params}
            for part in range(BATCH_CALLS)
        ]
    }


def _are_all_right(data: Any, number: int) -> bool:
    return [part["code"] for part in data.values()] == [0] * BATCH_CALLS


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
REQUEST_KINDS = {
    "call": RequestKind(lambda number: CALL, lambda data, number: True, _message),
    "signed": RequestKind(lambda number: CALL, lambda data, number: True, _message, signed=True),
    "cached": RequestKind(
        lambda number: f"/api/v1/call/bench/cached?page={number % CACHED_PAGES}",
        lambda data, number: data["query"]["page"] == [str(number % CACHED_PAGES)],
    ),
    "slow": RequestKind(
        lambda number: "/api/v1/call/bench/slow",
        lambda data, number: data["path"] == "/anything",
    ),
    "batch": RequestKind(lambda number: "/api/v1/batch", _are_all_right, _batch),
    "slow_batch": RequestKind(lambda number: "/api/v1/batch", _are_all_right, _slow_batch),
    "proxy_1k": RequestKind(
        lambda number: "/api/v1/proxy/bench/bytes/1024",
        lambda body, number: len(body) == 1024,
        raw=True,
    ),
    "proxy_1m": RequestKind(
        lambda number: "/api/v1/proxy/bench/bytes/1048576",
        lambda body, number: len(body) == 1048576,
        raw=True,
    ),
    "create": RequestKind(
        lambda number: PRODUCTS,
        lambda data, number: (
            set(data) == FIELDS and data["price"] == f"{number}.50" and data["stock"] == number
        ),
        _product,
        201,
    ),
    "pages": RequestKind(
        lambda number: f"{PRODUCTS}?limit={PAGE}&skip={number % (ROWS - PAGE)}", _page_of
    ),
    "page": RequestKind(lambda number: f"{PRODUCTS}?limit={PAGE}", _page_of),
    "items": RequestKind(
        lambda number: f"{PRODUCTS}/{1 + number % ROWS}",
        lambda data, number: set(data) == FIELDS and data["id"] == 1 + number % ROWS,
    ),
    "item": RequestKind(
        lambda number: f"{PRODUCTS}/7", lambda data, number: set(data) == FIELDS and data["id"] == 7
    ),
}
