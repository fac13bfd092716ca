"""What a caller sends in path and query is UTF-8, or refused by name; it is never changed on its way."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from flask.testing import FlaskClient

from api.http.encoding import PROBLEM

GBK = "%B1%B1%BE%A9"  # 北京


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (f"/api/v1/call/maps/geocode?address={GBK}", "address"),
        (f"/api/v1/aggregate/city_page?city={GBK}", "city"),
        (f"/api/v1/products?q={GBK}", "q"),
        (f"/api/v1/users?q=a&q={GBK}", "q"),
        (f"/api/v1/calls?limit=1&odd+name={GBK}", "odd name"),
        (f"/api/v1/services?{GBK}=1", r"\xb1\xb1\xbe\xa9"),
        ("/api/v1/products?q=%ED%A0%80", "q"),  # a lone surrogate
        ("/api/v1/products?q=a%C0%AFb", "q"),  # a slash written too long
        (f"/api/products?q={GBK}", "q"),
        (f"/api/v1/data/{GBK}", "path"),
        (f"/api/v1/services/{GBK}", "path"),
        (f"/nowhere/{GBK}", "path"),
    ],
)
def test_what_is_not_utf_8_is_refused_by_name_and_never_changed(
    client: FlaskClient, tokens: dict[str, dict[str, str]], target: str, name: str
) -> None:
    path = unquote_to_bytes(target.partition("?")[0]).decode(
        "latin-1"
    )  # as a server has it, and not werkzeug's client
    answer = client.get(target, headers=tokens["admin"], environ_overrides={"PATH_INFO": path})
    assert (answer.status_code, answer.json["code"]) == (400, -3003)
    assert answer.json["error"]["fields"] == {name: [PROBLEM]}


def test_raw_bytes_in_a_query_are_read_as_utf_8_or_refused(
    client: FlaskClient, tokens: dict[str, dict[str, str]]
) -> None:
    def ask(raw: bytes) -> int:
        overrides = {"QUERY_STRING": (b"q=" + raw).decode("latin-1")}
        return client.get(
            "/api/v1/products", headers=tokens["user"], environ_overrides=overrides
        ).status_code

    assert (ask("北京".encode()), ask("北京".encode("gbk"))) == (200, 400)


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/products?q=%E5%8C%97%E4%BA%AC",
        "/api/v1/products?q=100%25",
        "/api/v1/products?q=100%",
    ],
)
def test_utf_8_and_a_lone_percent_sign_are_taken(
    client: FlaskClient, tokens: dict[str, dict[str, str]], target: str
) -> None:
    assert client.get(target, headers=tokens["user"]).status_code == 200
