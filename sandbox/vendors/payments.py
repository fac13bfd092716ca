"""Payments in memory: {"id", "order_id", "amount", "status"}. 0.13 is declined; an Idempotency-Key
is honoured.
"""

import re
import threading
from typing import Any

from sandbox.messages import Reply, Request, json_reply, parse_json, wrong_verb_reply

DECLINED_AMOUNT = "0.13"
MAX_PAYMENTS = 10_000

_AMOUNT = re.compile(r"[0-9]{1,12}\.[0-9]{2}")


class Payments:
    """POST on /payments charges, once for each Idempotency-Key; GET on /payments?order_id=1 tells
    what was charged.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._payments: list[dict[str, Any]] = []
        self._by_key: dict[str, dict[str, Any]] = {}

    def reset(self) -> None:
        with self._lock:
            self._payments.clear()
            self._by_key.clear()

    def handle(self, request: Request) -> Reply:
        with self._lock:
            match request.verb:
                case "GET":
                    return self._find(request)
                case "POST":
                    return self._charge(request)
        return wrong_verb_reply("GET", "POST")

    def _find(self, request: Request) -> Reply:
        order_id = request.first("order_id")
        matches = [
            payment for payment in self._payments if order_id in ("", str(payment["order_id"]))
        ]
        return json_reply(200, matches)

    def _charge(self, request: Request) -> Reply:
        order = _read_order(request)
        if order is None:
            return json_reply(
                422, {"error": "order_id is a number from 1, amount a text such as 12.50"}
            )
        key = request.headers.get("idempotency-key", "")
        if first := self._by_key.get(key):
            if order != {name: first[name] for name in order}:
                return json_reply(
                    422, {"error": "this Idempotency-Key was used for another payment"}
                )
            return json_reply(200, first)
        if order["amount"] == DECLINED_AMOUNT:
            return json_reply(402, {"error": "declined"})
        if len(self._payments) == MAX_PAYMENTS:
            return json_reply(507, {"error": "no room for more payments"})
        payment = {"id": len(self._payments) + 1, **order, "status": "succeeded"}
        self._payments.append(payment)
        if key:
            self._by_key[key] = payment
        return json_reply(201, payment)


def _read_order(request: Request) -> dict[str, Any] | None:
    """Return ``order_id`` and ``amount``; None where they are not what they should be."""
    try:
        fields = parse_json(request.body)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    order_id = fields.get("order_id")
    amount = fields.get("amount")
    if type(order_id) is not int or order_id < 1:
        return None
    if not isinstance(amount, str) or not _AMOUNT.fullmatch(amount):
        return None
    return {"order_id": order_id, "amount": amount}
