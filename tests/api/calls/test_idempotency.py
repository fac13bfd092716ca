"""Idempotency-Key over HTTP: on calls, in batches and on paying an order."""

# ruff: noqa: F401, F811 # fixtures
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.middleware.idempotency import RETENTION_SECONDS
from sandbox import Sandbox
from tests.api.resources.test_payments import Shop, box, hurry, settings, shop
from tests.gateway.fakes import comes_true
from tests.held_vendor import held

CHARGE = {"order_id": 1, "amount": "4.50"}
REPLAYED = "Idempotency-Replayed"


def call(shop: Shop, key: str, method: str = "once/charge", **params: Any) -> Any:
    headers = {**shop.headers["user"], "Idempotency-Key": key}
    return shop.app.test_client().post(
        f"/api/v1/call/{method}", json=params or CHARGE, headers=headers
    )


def pay(
    shop: Shop,
    order: int,
    key: str = "k",
    via: str = "pay.charge",
    headers: Any = None,
    **more: Any,
) -> Any:
    return shop.pay(order, via, headers={"Idempotency-Key": key, **(headers or {})}, **more)


def test_a_replayed_call_says_so_and_has_a_request_id_of_its_own(shop: Shop) -> None:
    first, again = call(shop, "k"), call(shop, "k")

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json["data"] == again.json["data"]
    assert first.json["request_id"] != again.json["request_id"]
    assert (first.headers.get(REPLAYED), again.headers[REPLAYED]) == (None, "true")
    assert (first.headers["X-Attempts"], again.headers["X-Attempts"]) == ("1", "0")
    assert shop.charged() == ["4.50"]


def test_a_replayed_failure_has_the_same_status_and_the_same_error(shop: Shop) -> None:
    first, again = (call(shop, "k", order_id=1, amount="0.13") for _ in range(2))

    assert (first.status_code, again.status_code) == (422, 422)
    assert first.json["error"] == again.json["error"]
    assert (first.headers.get(REPLAYED), again.headers[REPLAYED]) == (None, "true")
    assert len(shop.sent()) == 1


def test_another_call_under_the_key_is_a_conflict(shop: Shop) -> None:
    call(shop, "k")
    answer = call(shop, "k", order_id=2, amount="4.50")

    assert (answer.status_code, answer.json["code"], answer.json["error"]["type"]) == (
        409,
        -3006,
        "conflict",
    )
    assert (answer.json["error"]["service"], answer.json["error"]["method"]) == ("once", "charge")
    assert shop.charged() == ["4.50"]


@pytest.mark.parametrize("key", ["", "two words", "ü", "x" * 256])
def test_a_key_that_is_none_is_refused_with_its_name(shop: Shop, key: str) -> None:
    order = shop.order()
    headers = {**shop.headers["user"], "Idempotency-Key": key}
    whole = {"calls": [{"id": "a", "service": "once", "method": "charge", "params": CHARGE}]}
    batch = shop.app.test_client().post("/api/v1/batch", json=whole, headers=headers)

    for answer in (call(shop, key), batch, pay(shop, order, key)):
        assert (answer.status_code, answer.json["code"]) == (400, -3003)
        assert list(answer.json["error"]["fields"]) == ["Idempotency-Key"]
    assert shop.sent() == []


def test_a_batch_sent_again_under_its_key_does_nothing_twice_and_says_so(shop: Shop) -> None:
    headers = {**shop.headers["user"], "Idempotency-Key": "k"}
    calls = [
        {"id": name, "service": "once", "method": "charge", "params": CHARGE}
        for name in ("a", "é" * 64)
    ]
    first, again = (
        shop.app.test_client().post("/api/v1/batch", json={"calls": calls}, headers=headers)
        for _ in range(2)
    )

    ids = [
        [result["data"]["id"] for result in answer.json["data"].values()]
        for answer in (first, again)
    ]
    assert ids[0] == ids[1]
    assert len(shop.charged()) == 2
    assert (first.headers.get(REPLAYED), again.headers[REPLAYED]) == (None, "true")
    more = [*calls, {**calls[0], "id": "new"}]
    partly = shop.app.test_client().post("/api/v1/batch", json={"calls": more}, headers=headers)
    assert REPLAYED not in partly.headers


def test_a_replayed_payment_is_the_first_answer_with_its_etag(shop: Shop) -> None:
    order = shop.order()
    first, again = pay(shop, order), pay(shop, order)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json["data"] == again.json["data"] == shop.read(order)
    assert first.headers["ETag"] == again.headers["ETag"]
    assert (first.headers.get(REPLAYED), again.headers[REPLAYED]) == (None, "true")
    assert shop.charged() == ["4.50"]


def test_a_declined_payment_is_replayed_and_a_new_key_pays_again(shop: Shop) -> None:
    order = shop.order(product=2)
    first, again = pay(shop, order), pay(shop, order)

    assert (first.status_code, again.status_code, again.headers[REPLAYED]) == (422, 422, "true")
    assert first.json["error"] == again.json["error"]
    assert len(shop.sent()) == 1
    assert pay(shop, order, "new").status_code == 422
    assert len(shop.sent()) == 2


@pytest.mark.parametrize("other", [{"via": "once.charge"}, {"settle": "pay.find"}])
def test_another_payment_under_the_key_is_a_conflict(shop: Shop, other: dict[str, str]) -> None:
    order, another = shop.order(), shop.order()
    pay(shop, order)

    for answer in (pay(shop, order, **other), pay(shop, another)):
        assert (answer.status_code, answer.json["code"]) == (409, -3006)
        assert REPLAYED not in answer.headers
    assert shop.charged() == ["4.50"]


def test_while_a_payment_is_under_way_the_same_request_is_a_conflict(
    shop: Shop, box: Sandbox
) -> None:
    order = shop.order()
    with ThreadPoolExecutor(1) as pool, held(box, "/payments") as release:
        first = pool.submit(pay, shop, order)
        assert comes_true(shop.sent)
        second = pay(shop, order)
        assert (second.status_code, second.json["code"], second.headers["Retry-After"]) == (
            409,
            -3006,
            "1",
        )
        release.set()
        assert first.result(30).status_code == 200
    assert pay(shop, order).headers[REPLAYED] == "true"


@pytest.mark.parametrize("fault", ["short", "reset", "hang", "status=503"])
def test_an_unknown_payment_is_settled_by_the_same_request_where_the_vendor_honours_keys(
    shop: Shop, box: Sandbox, fault: str
) -> None:
    order = shop.order()
    box.fault("/payments", fault)
    assert pay(shop, order, headers=hurry(fault)).status_code >= 500
    box.fault("/payments", "")

    other, same = pay(shop, order, via="once.charge"), pay(shop, order)

    assert (other.status_code, same.status_code, shop.status(order)) == (409, 200, "paid")
    assert len({request.headers["idempotency-key"] for request in shop.sent()}) == 1
    assert shop.charged() == ["4.50"]


def test_an_unknown_payment_is_not_sent_again_by_the_same_request_where_it_could_charge_twice(
    shop: Shop, box: Sandbox
) -> None:
    order = shop.order()
    box.fault("/payments", "short")
    assert pay(shop, order, via="once.charge").status_code == 502

    again = pay(shop, order, via="once.charge")

    assert (again.status_code, "unknown" in again.json["message"]) == (409, True)
    assert shop.charged() == ["4.50"]


def test_the_order_remembers_for_longer_than_the_key(shop: Shop, clock, login) -> None:
    order = shop.order()
    pay(shop, order)
    clock.advance(RETENTION_SECONDS + 1)
    shop.headers = {"user": {"Authorization": f"Bearer {login('user')['access_token']}"}}

    again = pay(shop, order)

    assert (again.status_code, again.json["message"]) == (
        409,
        "The order is paid; there is nothing to be done.",
    )
    assert shop.charged() == ["4.50"]
