from collections.abc import Callable
from http.client import HTTPConnection, IncompleteRead
from typing import Any

import pytest

from sandbox import Sandbox

Call = Callable[..., Any]
TEN = {"order_id": 1, "amount": "10.00"}


def test_a_payment_is_made_and_found(call: Call) -> None:
    payment = call("/payments", "POST", TEN)
    call("/payments", "POST", {"order_id": 2, "amount": "5.00"})

    assert (payment.status, payment.json) == (201, {"id": 1, **TEN, "status": "succeeded"})
    assert call("/payments?order_id=1").json == [payment.json]
    assert len(call("/payments").json) == 2
    assert call("/payments?order_id=3").json == []


def test_the_same_key_charges_once(call: Call) -> None:
    first, second = (call("/payments", "POST", TEN, Idempotency_Key="k") for _ in range(2))
    misused = call("/payments", "POST", {"order_id": 1, "amount": "11.00"}, Idempotency_Key="k")
    without = [call("/payments", "POST", TEN).json["id"] for _ in range(2)]

    assert (first.status, second.status) == (201, 200)
    assert first.json == second.json
    assert misused.status == 422
    assert without == [2, 3]


def test_thirteen_cents_are_declined_and_nothing_is_charged(call: Call) -> None:
    assert (
        call("/payments", "POST", {"order_id": 1, "amount": "0.13"}, Idempotency_Key="k").status
        == 402
    )
    assert call("/payments").json == []


@pytest.mark.parametrize(
    "body",
    [b"", b"nope", [1], {}, {"order_id": 1}, {**TEN, "order_id": 0}, {**TEN, "order_id": True}, {**TEN, "order_id": "1"},
     {**TEN, "amount": 10}, {**TEN, "amount": "10"}, {**TEN, "amount": "-1.00"}, {**TEN, "amount": "1.00\n"}],
)  # fmt: skip
def test_a_bad_payment_gets_422(call: Call, body: Any) -> None:
    assert call("/payments", "POST", body).status == 422


def test_a_vendor_may_charge_and_lose_its_answer(client: HTTPConnection, call: Call) -> None:
    with pytest.raises(IncompleteRead):
        call("/payments", "POST", TEN, X_Sandbox_Fault="short")
    client.close()

    assert call("/payments").json[0]["amount"] == "10.00"


def test_reset_forgets_payments_and_keys(box: Sandbox, call: Call) -> None:
    call("/payments", "POST", TEN, Idempotency_Key="k")
    box.reset()

    assert call("/payments").json == []
    assert call("/payments", "POST", TEN, Idempotency_Key="k").status == 201


def test_a_wrong_verb_on_payments_gets_405_with_allow(call: Call) -> None:
    answer = call("/payments", "DELETE")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
