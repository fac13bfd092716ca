"""Who sees ``/metrics``, and what it says of requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import Settings
from tests.samples import samples


def look(client: FlaskClient, address: str = "127.0.0.1", **headers: str) -> Any:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return client.get("/metrics", environ_overrides={"REMOTE_ADDR": address}, headers=named)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_sees_the_metrics(client: FlaskClient, address: str) -> None:
    answer = look(client, address)
    assert (answer.status_code, answer.content_type) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    assert b"# TYPE postern_http_requests_total counter" in answer.data


@pytest.mark.parametrize("address", ["10.1.2.3", "203.0.113.9", "2001:db8::1", "::ffff:10.1.2.3"])
def test_others_do_not_see_the_metrics(client: FlaskClient, address: str) -> None:
    answer = look(client, address)
    assert (answer.status_code, answer.json["code"]) == (403, -2004)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("10.1.2.3", 200),
        ("::ffff:10.1.2.3", 200),
        ("192.168.7.1", 200),
        ("192.168.7.2", 403),
        ("127.0.0.1", 200),
    ],
)
def test_named_networks_see_the_metrics(
    make_app: Callable[[Settings], Flask], settings: Settings, address: str, status: int
) -> None:
    app = make_app(replace(settings, metrics_allow=("10.0.0.0/8", "192.168.7.1")))
    assert look(app.test_client(), address).status_code == status


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded"])
def test_who_comes_through_a_proxy_that_is_not_declared_is_not_loopback(
    client: FlaskClient, header: str
) -> None:
    assert look(client, **{header: "for=127.0.0.1"}).status_code == 403


def test_behind_a_declared_proxy_it_is_the_clients_address_that_counts(
    make_app: Callable[[Settings], Flask], settings: Settings
) -> None:
    client = make_app(replace(settings, trusted_proxies=1)).test_client()
    assert look(client, X_Forwarded_For="203.0.113.9").status_code == 403
    assert look(client, X_Forwarded_For="127.0.0.1").status_code == 200


def test_requests_count_by_route_verb_and_status(
    client: FlaskClient, tokens: dict[str, dict[str, str]]
) -> None:
    for path in ("/api/v1/products/7", "/api/v1/products/8", "/api/v1/nowhere", "/nowhere/at/all"):
        client.get(path, headers=tokens["user"])
    client.open("/api/v1/products", method="BREW")
    counts = samples(look(client).data, "postern_http_requests_total", "route", "method", "status")
    assert counts == {
        ("/api/v1/products/<id:product_id>", "GET", "404"): 2,
        ("none", "GET", "404"): 2,
        ("none", "other", "405"): 1,
    }
    seconds = samples(look(client).data, "postern_http_request_duration_seconds_count", "route")
    assert seconds[("/api/v1/products/<id:product_id>",)] == 2


def test_the_database_and_the_catalog_are_told(client: FlaskClient) -> None:
    text = look(client).data
    assert samples(text, "postern_database_up") == {(): 1}
    assert samples(text, "postern_catalog_ok") == {(): 1}
    ((version,),) = samples(text, "postern_catalog_info", "version")
    assert len(version) == 12
    assert samples(text, "postern_redis_up") == {}  # there is none
