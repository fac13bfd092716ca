from collections.abc import Callable
from http.client import HTTPConnection, IncompleteRead
from typing import Any

import pytest

from sandbox import Sandbox

Ask = Callable[..., Any]
TEN = {"order_id": 1, "amount": "10.00"}


def test_a_payment_is_made_and_found(ask: Ask) -> None:
    made = ask("/payments", "POST", TEN)
    ask("/payments", "POST", {"order_id": 2, "amount": "5.00"})

    assert (made.status, made.json) == (201, {"id": 1, **TEN, "status": "succeeded"})
    assert ask("/payments?order_id=1").json == [made.json]
    assert len(ask("/payments").json) == 2
    assert ask("/payments?order_id=3").json == []


def test_the_same_key_charges_once(ask: Ask) -> None:
    first, second = (ask("/payments", "POST", TEN, Idempotency_Key="k") for _ in range(2))
    misused = ask("/payments", "POST", {"order_id": 1, "amount": "11.00"}, Idempotency_Key="k")
    without = [ask("/payments", "POST", TEN).json["id"] for _ in range(2)]

    assert (first.status, second.status) == (201, 200)
    assert first.json == second.json
    assert misused.status == 422
    assert without == [2, 3]


def test_thirteen_cents_are_declined_and_nothing_is_charged(ask: Ask) -> None:
    assert (
        ask("/payments", "POST", {"order_id": 1, "amount": "0.13"}, Idempotency_Key="k").status
        == 402
    )
    assert ask("/payments").json == []


@pytest.mark.parametrize(
    "body",
    [b"", b"nope", [1], {}, {"order_id": 1}, {**TEN, "order_id": 0}, {**TEN, "order_id": True}, {**TEN, "order_id": "1"},
     {**TEN, "amount": 10}, {**TEN, "amount": "10"}, {**TEN, "amount": "-1.00"}, {**TEN, "amount": "1.00\n"}],
)  # fmt: skip
def test_a_bad_payment_gets_422(ask: Ask, body: Any) -> None:
    assert ask("/payments", "POST", body).status == 422


def test_a_vendor_may_charge_and_lose_its_answer(client: HTTPConnection, ask: Ask) -> None:
    with pytest.raises(IncompleteRead):
        ask("/payments", "POST", TEN, X_Sandbox_Fault="short")
    client.close()

    assert ask("/payments").json[0]["amount"] == "10.00"


def test_reset_forgets_payments_and_keys(box: Sandbox, ask: Ask) -> None:
    ask("/payments", "POST", TEN, Idempotency_Key="k")
    box.reset()

    assert ask("/payments").json == []
    assert ask("/payments", "POST", TEN, Idempotency_Key="k").status == 201


def test_a_wrong_verb_on_payments_gets_405_with_allow(ask: Ask) -> None:
    answer = ask("/payments", "DELETE")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
