"""What a refused request leaves behind is freed by reference counting alone."""

from __future__ import annotations

import gc
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.api.resources.test_apps import signed

Ask = Callable[[], Any]


@contextmanager
def garbage() -> Iterator[list[object]]:
    """What of ours only the cyclic collector would have freed."""
    leftovers: list[object] = []
    gc.collect()
    gc.disable()
    try:
        yield leftovers
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        leftovers += [item for item in gc.garbage if _is_ours(item)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _is_ours(value: object) -> bool:
    if isinstance(value, types.FrameType):
        file = value.f_code.co_filename
        return ("/api/" in file or "/gateway/" in file) and "/tests/" not in file
    return isinstance(value, BaseException) and type(value).__module__.startswith(
        ("api.", "gateway.")
    )


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
