"""What a refused request leaves behind is freed by reference counting alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.resources.test_apps import signed
from tests.garbage import garbage


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("GET", "/no/such/page", None),
        ("PUT", "/healthz", None),
        ("GET", "/api/v1/services/wetchat", None),
        ("POST", "/api/v1/call/wetchat/send_msg", {}),
        ("POST", "/api/v1/call/wechat/send_mgs", {}),
        ("POST", "/api/v1/call/wechat/send_msg", {"a": 1}),
        ("GET", "/api/v1/aggregate/nothing", None),
        ("GET", "/api/v1/products/99999", None),
        ("POST", "/api/v1/products", {"name": 1}),
        ("GET", "/api/v1/apps/nobody", None),
        ("POST", "/api/v1/login", {"username": "nobody", "password": "wrong"}),
    ],
)
def test_a_refused_request_leaves_no_garbage(
    client, tokens, verb: str, path: str, body: Any
) -> None:
    def ask() -> None:
        answer = client.open(path, method=verb, json=body, headers=tokens["admin"])
        assert answer.status_code >= 400

    ask()
    with garbage() as leftovers:
        ask()
        ask()
    assert leftovers == []


def test_a_refused_signature_leaves_no_garbage(client, clock) -> None:
    def ask() -> None:
        answer = client.get("/me", headers=signed(clock, "wrong", "/me", "till"))
        assert answer.json["code"] == -1002

    ask()
    with garbage() as leftovers:
        ask()
        ask()
    assert leftovers == []
