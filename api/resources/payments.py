"""Paying an order through the gateway, so that no crash, lost answer or second click charges it twice.

Before the vendor is asked, the order is claimed: it says ``unknown``, and through which method. Whatever happens then,
the process dying included, it goes on saying so until a certain answer is recorded; and an ``unknown`` order is only
charged again where the vendor honours the Idempotency-Key, which is the same for every try.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Response, g
from marshmallow import ValidationError
from sqlalchemy.orm.attributes import flag_modified

from api.auth import role_required
from api.context import add_attempt_headers, app_state, prepare_traced_call
from api.http.blueprint import Blueprint
from api.http.cache import write_session
from api.http.etags import check_match
from api.http.idempotency import run_once_by_store
from api.resources.orders import answer_order, found_order
from gateway import Call, GatewayError
from gateway.catalog.model import Method
from gateway.errors import BadResponse, Conflict, Rejected, fields_error
from gateway.middleware.idempotency import NOT_NOW
from models import Order
from schemas.shop import OrderOut, PayIn, PaymentOut

blueprint = Blueprint("payments", __name__, description="Charging orders through the gateway.")
blueprint.after_request(add_attempt_headers)

READS = ("GET", "HEAD", "OPTIONS")
ABOUT_THE_PAYMENT = ("402", "422")  # other statuses may be about us, or about the address
CHARGED, REFUSED = ("succeeded",), ("failed", "declined", "canceled")
MARGIN = 2.0  # seconds beyond the call's deadline, to record its outcome
_payments = PaymentOut(many=True)


@blueprint.post("/orders/<id:order_id>/pay")
@role_required("user", "admin")
@blueprint.arguments(PayIn, example={"via": "pay.charge"})
@blueprint.response(200, OrderOut)
def pay_order(given: dict[str, str], order_id: int) -> Response:
    """Charge an order through the method `via`, which takes `order_id` (integer) and `amount` (text, "12.50").

    200 and `paid`; or the failure that a call would answer, and the order is `failed` (certainly not charged: pay
    again, through any method) or `unknown` (nobody can say: pay again through the same one). 409 for an order that is
    paid, or is being paid at this moment, and for an `unknown` one whose method declares neither
    `idempotency_header` nor `idempotent`: sent again, it could charge twice. Then `settle` names a GET method of the
    same service that takes `order_id` and tells the order's payments, `[{"order_id", "amount", "status"}]`: one that
    `succeeded` makes the order paid; only `failed`, `declined` or `canceled` ones make it failed. None at all may also
    mean "not yet": only an admin's `settle` takes that for failed.

    With an `Idempotency-Key`, the first answer is kept for 24 hours and given again (`Idempotency-Replayed: true`).

    As with any call, `X-Request-Timeout` (seconds) lowers the deadline, and the answer's `X-Attempts` and
    `Server-Timing` tell what it took.
    """
    via = _method("via", given["via"])
    return run_once_by_store(
        ("pay", order_id, given), _longest(via), lambda: _pay(given, order_id, via)
    )


def _pay(given: dict[str, str], order_id: int, via: Method) -> Response:
    with app_state().database.read_session() as session:
        order = found_order(session, order_id)
    asks = order.status == "unknown" and "settle" in given
    _check(order, via, asks)
    call = _asking(order, via, given["settle"]) if asks else _charging(order, via)
    app_state().gateway.dry_run(
        call
    )  # what is wrong with the call is said before the order is touched
    with _alone(order, call):
        version = _claim(order, via)
        status = _found_out(order, call) if asks else _charged(order, call, via, version)
        return _record(order, status, via, version)


def _method(field: str, name: str) -> Method:
    method = app_state().gateway.method(*name.split("."))
    if (method.verb in READS) is (field == "via"):
        wanted = "must not be" if field == "via" else "must be"
        raise fields_error(field, [f"The method's verb {wanted} GET."])
    if (
        method.cache or method.fallback
    ):  # what somebody else says, or said before, proves nothing about this order
        raise fields_error(
            field,
            ["Must be a method without cache and fallback: the service itself has to answer."],
        )
    return method


def _check(order: Order, via: Method, asks: bool) -> None:
    """:raises Conflict: the order is paid, or might be and may not be charged through ``via`` again."""
    check_match(order)
    if order.status == "paid":
        raise Conflict("The order is paid.")
    if order.status != "unknown":
        return
    if order.via != via.full_name:
        raise Conflict(
            f"It is unknown whether {order.via} charged the order; only that method may settle it."
        )
    if not (asks or via.idempotent or via.idempotency_header):
        raise Conflict(
            f"It is unknown whether {order.via} charged the order, and sent again it could charge twice;"
            ' name a method that tells the order\'s payments as "settle".'
        )


def _charging(order: Order, via: Method) -> Call:
    params = {"order_id": order.id, "amount": f"{order.total:.2f}"}
    return prepare_traced_call(via.service.name, via.name, params, vendor_key=order.idempotency_key)


def _asking(order: Order, via: Method, name: str) -> Call:
    method = _method("settle", name)
    if method.service.name != via.service.name:
        raise fields_error("settle", ["Must be a method of the service that charges."])
    return prepare_traced_call(method.service.name, method.name, {"order_id": order.id})


def _longest(method: Method) -> float:
    """Seconds until a pay has certainly ended: a backup URL has time of its own."""
    return method.deadline * (2 if method.service.backup_url else 1) + MARGIN


@contextmanager
def _alone(order: Order, call: Call) -> Iterator[None]:
    """Nobody else pays the order meanwhile. The mark fades by itself, in case this process dies.

    :raises StoreUnavailable: it cannot be told; nothing is charged.
    """
    method = app_state().gateway.method(call.service, call.method)
    with app_state().store.lock(f"pay:{order.id}", _longest(method)) as lock:
        if lock.fence is None:
            raise Conflict("The order is being paid at this moment.")
        yield


def _claim(seen: Order, via: Method) -> int:
    """Say ``unknown`` before asking; the order's version from then on.

    :raises Conflict: it is not as it was seen: somebody else was faster.
    """
    with write_session("orders") as session:
        order = session.get_one(Order, seen.id, with_for_update=True)
        if order.version != seen.version:
            raise Conflict("The order is being paid at this moment.")
        order.status, order.via = "unknown", via.full_name
        flag_modified(
            order, "status"
        )  # a new version though it said so already: this try is another
        session.flush()
        return order.version


def _record(seen: Order, status: str, via: Method, version: int) -> Response:
    """The outcome. What is paid is paid; anything else says nothing about a try that came later."""
    with write_session("orders") as session:
        order = session.get_one(Order, seen.id, with_for_update=True)
        if status == "paid" or order.version == version:
            order.status, order.via = status, via.full_name
            session.flush()
        return answer_order(order)


def _charged(order: Order, call: Call, via: Method, version: int) -> str:
    """:raises GatewayError: it was not, or nobody can say; recorded if it is certain."""
    try:
        app_state().gateway.call(call)
    except GatewayError as error:
        if _certain(error, call, via, doubtful=order.status == "unknown"):
            _record(order, "failed", via, version)
        raise
    return "paid"


def _certain(error: GatewayError, call: Call, via: Method, doubtful: bool) -> bool:
    """Whether a failure means that the order is not charged, by this try or any before it.

    Once a try is in doubt, that a later one did nothing proves nothing, unless it is the vendor's word on the same key.
    """
    if error.vendor_code in NOT_NOW:
        return False
    if (
        not doubtful
        and error.not_executed
        and all(attempt.not_executed for attempt in call.trace.attempts)
    ):
        return True
    code = error.vendor_code or ""
    status = len(code) == 3 and code.isdecimal()
    word = isinstance(error, Rejected) and (not status or code in ABOUT_THE_PAYMENT)
    return word and via.idempotency_header is not None


def _found_out(order: Order, call: Call) -> str:
    """What the vendor's list of payments says.

    :raises Conflict: nothing certain.
    """
    data = app_state().gateway.call(call).data
    try:
        told = _payments.load(data)  # type: ignore[arg-type] # the vendor's; anything at all
    except ValidationError as error:
        raise BadResponse(detail=f"not a list of payments: {error.messages}") from error
    payments = [each for each in told if each["order_id"] == order.id]
    if any(each["status"] in CHARGED and each["amount"] == order.total for each in payments):
        return "paid"
    none_means_no = bool(payments) or g.caller.role == "admin"
    if none_means_no and all(each["status"] in REFUSED for each in payments):
        return "failed"
    raise Conflict("The service does not say what became of the payment; ask again later.")
