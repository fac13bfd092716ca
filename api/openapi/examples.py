"""Bodies to begin with, by operation."""

from __future__ import annotations

from typing import Any

EXAMPLES: dict[str, Any] = {
    "login": {"username": "admin", "password": "correct-horse-battery"},
    "refresh": {"refresh_token": "the one that login gave"},
    "create_user": {"username": "ann", "password": "correct-horse-battery", "name": "Ann", "age": 30, "role": "user"},
    "change_user": {"name": "Ann Example"},
    "create_app": {"app_id": "shop", "allow": ["wechat.*"], "rate": "100/minute"},
    "create_product": {"name": "Teapot", "price": "12.50", "stock": 20, "category": "kitchen"},
    "replace_product": {"name": "Teapot", "price": "13.00", "stock": 20, "category": "kitchen"},
    "change_product": {"price": "11.90"},
    "reduce_stock": {"quantity": 1},
    "create_order": {"items": [{"product_id": 1, "quantity": 2}]},
    "pay_order": {"via": "pay.charge"},
    "keep_document": {"key": "greeting", "value": {"text": "hello"}},
}
CALL = {"service": "wechat", "method": "send_msg", "params": {"touser": "o6_bmjrPTlm6", "text": "hello"}}
BATCH = {"calls": [{"id": "first", **CALL, "optional": True}]}
