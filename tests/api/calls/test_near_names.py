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
        ("post", "/call", {"service": "wechat.send_msg", "method": "x", "params": {}}, "wechat"),
        ("get", "/services/wechta", None, "wechat"),
        ("get", "/proxy/wechta/cgi-bin/token", None, "wechat"),
    ],
)
def test_a_name_that_does_not_exist_is_answered_with_a_near_one_in_every_form_of_a_call(
    client, tokens, verb: str, path: str, body: Any, near: str
) -> None:
    answer = getattr(client, verb)(f"/api/v1{path}", json=body, headers=tokens["user"])
    assert answer.json["error"]["did_you_mean"] == near


@pytest.mark.parametrize(
    ("verb", "path", "body", "near"),
    [
        ("get", "/products?limt=5", None, "limit"),
        ("get", "/data?sortt=key", None, "sort"),
        ("post", "/products", {"nmae": "Tea", "price": "1"}, "name"),
        ("post", "/data", {"key": "k", "value": 1, "colour": 2}, None),
    ],
)
def test_an_argument_of_our_own_resources_that_does_not_exist_is_answered_with_a_near_one(
    client, tokens, verb: str, path: str, body: Any, near: str | None
) -> None:
    answer = getattr(client, verb)(f"/api/v1{path}", json=body, headers=tokens["user"])
    assert answer.json["error"].get("did_you_mean") == near


def test_a_field_inside_another_is_not_taken_for_that(client, tokens) -> None:
    order = {"items": [{"product_id": 1, "quantity": 1, "x": 1}]}
    answer = client.post("/api/v1/users/1/orders", json=order, headers=tokens["admin"])
    assert answer.json["error"]["fields"] == {"items.0.x": ["Unknown field."]}
    assert "did_you_mean" not in answer.json["error"]


def test_a_path_that_is_not_proxied_is_answered_with_where_those_stand_that_are(
    client, tokens
) -> None:
    answer = client.get("/api/v1/proxy/wechat/other", headers=tokens["user"])
    assert answer.json["message"] == (
        "There is no wechat/other to be proxied. GET /api/v1/services lists, as proxy, the paths"
        " of each service that may be."
    )
    assert "did_you_mean" not in answer.json["error"]


def test_parameters_that_stand_where_nobody_reads_them_are_told_of(client, tokens) -> None:
    by_query = client.post(
        "/api/v1/call/wechat/send_msg?touser=x&text=y", headers=tokens["user"], json={}
    )
    assert by_query.json["message"].endswith(
        "only the body is read for parameters, and not the query."
    )
    by_body = client.get("/api/v1/call/maps/geocode", headers=tokens["user"], json={"address": "x"})
    assert by_body.json["message"].endswith("not the body (curl -G).")
    for answer in (by_query, by_body):
        assert (answer.status_code, answer.json["code"]) == (400, -3003)
    form = client.post(
        "/api/v1/call/formats/upload?title=x",
        headers=tokens["user"],
        data={"other": "x"},
        content_type="multipart/form-data",
    )
    assert form.json["error"]["fields"].keys() == {"media", "other"}
    assert form.json["message"] == "Some fields are missing or wrong; see error.fields."
    plain = client.post("/api/v1/call/wechat/send_msg", headers=tokens["user"], json={})
    assert plain.json["message"] == "Some fields are missing or wrong; see error.fields."
