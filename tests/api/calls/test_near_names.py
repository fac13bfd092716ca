"""A name that is not there: the nearest one is told."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("verb", "path", "body", "near"),
    [
        ("post", "/call", {"service": "wechta", "method": "send_msg", "params": {}}, "wechat"),
        ("post", "/call/wechta/send_msg", {}, "wechat"),
        ("post", "/call/wechat/send_mgs", {}, "send_msg"),
        ("get", "/call/wechta/send_msg", None, "wechat"),
        ("get", "/call/maps/geocod", None, "geocode"),
        ("post", "/call/maps/geocode", {"adress": "x", "address": "y"}, "address"),
        ("get", "/services/wechta", None, "wechat"),
    ],
)
def test_a_name_that_does_not_exist_is_answered_with_a_near_one_in_every_form_of_a_call(
    client, tokens, verb: str, path: str, body: Any, near: str
) -> None:
    answer = getattr(client, verb)(f"/api/v1{path}", json=body, headers=tokens["user"])
    assert answer.json["error"]["did_you_mean"] == near
