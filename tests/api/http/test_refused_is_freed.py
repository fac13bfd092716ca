"""A request and its body are freed with the answer: nothing of them is left for the cyclic garbage collector."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from flask import Request
from flask.testing import FlaskClient
from marshmallow import ValidationError

pytestmark = pytest.mark.slow

ASKS: dict[str, tuple[str, str, Any]] = {
    "no such page": ("POST", "/no/such/page", {"a": 1}),
    "no such verb": ("DELETE", "/api/v1/login", {"a": 1}),
    "wrong fields of a call": ("POST", "/api/v1/call", {"a": 1}),
    "wrong fields of a resource": ("POST", "/api/v1/products", {"name": 1}),
    "wrong parameters": ("POST", "/api/v1/call/wechat/send_msg", {"a": 1}),
    "wrong arguments": ("GET", "/api/v1/products?limit=no", None),
}


@pytest.mark.parametrize("ask", ASKS)
def test_nothing_of_a_refused_request_waits_for_the_cyclic_collector(
    client: FlaskClient, tokens: dict[str, dict[str, str]], ask: str
) -> None:
    verb, path, body = ASKS[ask]

    def send() -> int:
        return client.open(path, method=verb, json=body, headers=tokens["admin"]).status_code

    status = send()  # what is made at first use
    gc.collect()
    gc.disable()
    try:
        assert 400 <= send() == status < 500
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        remaining = [item for item in gc.garbage if isinstance(item, Request | ValidationError)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert remaining == []
