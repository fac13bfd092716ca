"""Paying an order through the gateway, so that no crash, lost answer or second click charges it
twice.

Before the vendor is asked, the order is claimed: it says ``unknown``, and through which method.
Whatever happens then, the process dying included, it goes on saying so until a certain answer is
recorded; and an ``unknown`` order is only charged again where the vendor honours the
Idempotency-Key, which is the same for every try.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Response, g
from marshmallow import ValidationError
from sqlalchemy.orm.attributes import flag_modified

from api.auth import role_required
from api.context import app_state, prepare_traced_call
from api.http.blueprint import Blueprint
from api.http.cache import write_session
from api.http.etags import check_match
from api.http.idempotency import run_once_by_store
from api.resources.orders import get_own_order, order_response
from gateway import Call, GatewayError
from gateway.catalog.model import Method
from gateway.errors import BadResponse, Conflict, Rejected, fields_error
from gateway.middleware.idempotency import NOT_NOW
from models import Order
from schemas.shop import OrderOut, PayIn, PaymentOut

blueprint = Blueprint("payments", __name__, description="Charging orders through the gateway.")

READ_VERBS = ("GET", "HEAD", "OPTIONS")
PAYMENT_STATUSES = ("402", "422")  # other statuses may be about us, or about the address
CHARGED_STATES = ("succeeded",)
REFUSED_STATES = ("failed", "declined", "canceled")
PAYMENT_UNDER_WAY = "The order is being paid now; read it in a moment (GET /api/v1/orders/<id>)."
RECORD_SECONDS = 2.0  # beyond the call's deadline, to record its outcome
_payments_schema = PaymentOut(many=True)


@blueprint.post("/orders/<id:order_id>/pay")
@role_required("user", "admin")
@blueprint.arguments(PayIn, example={"via": "pay.charge"})
@blueprint.response(200, OrderOut)
def pay_order(data: dict[str, str], order_id: int) -> Response:
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
    """  # noqa: E501  # it stands in the OpenAPI file, line by line
    via = _method("via", data["via"], reads=False)
    return run_once_by_store(
        ("pay", order_id, data), _max_seconds(via), lambda: _pay(data, order_id, via)
    )


def _pay(data: dict[str, str], order_id: int, via: Method) -> Response:
    with app_state().database.read_session() as session:
        order = get_own_order(session, order_id)
    settles = order.status == "unknown" and "settle" in data
    _check(order, via, settles)
    if settles:
        call = _settle_call(order, via, data["settle"])
    else:
        call = _charge_call(order, via)
    app_state().gateway.dry_run(call)  # an error in the call comes before the order changes
    with _payment_lock(order, call):
        version = _claim(order, via)
        if settles:
            status = _settle(order, call)
        else:
            status = _charge(order, call, via, version)
        return _record(order, status, via, version)


def _method(field: str, full_name: str, *, reads: bool) -> Method:
    """:raises InvalidParams: its verb is another, or a cache or fallback may answer for it."""
    service, _, name = full_name.partition(".")
    method = app_state().gateway.method(service, name, g.caller)
    if reads and method.verb not in READ_VERBS:
        raise fields_error(field, ["The method's verb must be GET."])
    if not reads and method.verb in READ_VERBS:
        raise fields_error(field, ["The method's verb must not be GET."])
    if method.cache or method.fallback:
        raise fields_error(
            field,
            ["Must be a method without cache and fallback: the service itself has to answer."],
        )
    return method


def _check(order: Order, via: Method, settles: bool) -> None:
    """:raises Conflict: the order is paid, or may be and must not be charged again by ``via``."""
    check_match(order)
    if order.status == "paid":
        raise Conflict("The order is paid; there is nothing to be done.")
    if order.status != "unknown":
        return
    if order.via != via.full_name:
        raise Conflict(
            f"It is unknown whether {order.via} charged the order; only that method may settle it."
        )
    if not (settles or via.idempotent or via.idempotency_header):
        raise Conflict(
            f"It is unknown whether {order.via} charged the order, "
            "and sent again it could charge twice;"
            ' name a method that tells the order\'s payments as "settle".'
        )


def _charge_call(order: Order, via: Method) -> Call:
    params = {"order_id": order.id, "amount": f"{order.total:.2f}"}
    return prepare_traced_call(via.service.name, via.name, params, vendor_key=order.idempotency_key)


def _settle_call(order: Order, via: Method, name: str) -> Call:
    method = _method("settle", name, reads=True)
    if method.service.name != via.service.name:
        raise fields_error("settle", ["Must be a method of the service that charges."])
    return prepare_traced_call(method.service.name, method.name, {"order_id": order.id})


def _max_seconds(method: Method) -> float:
    """Return the time after which a payment has certainly ended; a backup URL has its own."""
    urls = 2 if method.service.backup_url else 1
    return method.deadline * urls + RECORD_SECONDS


@contextmanager
def _payment_lock(order: Order, call: Call) -> Iterator[None]:
    """Keep others from paying the order meanwhile; the lock expires if this process dies.

    :raises Conflict: another request holds it.
    :raises StoreUnavailable: nobody knows; nothing is charged.
    """
    method = app_state().gateway.method(call.service, call.method)
    with app_state().store.lock(f"pay:{order.id}", _max_seconds(method)) as lock:
        if lock.fence is None:
            raise Conflict(PAYMENT_UNDER_WAY)
        yield


def _claim(before: Order, via: Method) -> int:
    """Mark the order ``unknown`` before the vendor is asked; return its new version.

    :raises Conflict: another request has changed it since.
    """
    with write_session("orders") as session:
        order = session.get_one(Order, before.id, with_for_update=True)
        if order.version != before.version:
            raise Conflict(PAYMENT_UNDER_WAY)
        order.status = "unknown"
        order.via = via.full_name
        flag_modified(order, "status")  # a new version even if it was unknown: this is another try
        session.flush()
        return order.version


def _record(before: Order, status: str, via: Method, version: int) -> Response:
    """Record the outcome; anything but ``paid`` says nothing about a try that came later."""
    with write_session("orders") as session:
        order = session.get_one(Order, before.id, with_for_update=True)
        if status == "paid" or order.version == version:
            order.status = status
            order.via = via.full_name
            session.flush()
        return order_response(order)


def _charge(order: Order, call: Call, via: Method, version: int) -> str:
    """:raises GatewayError: the order is not charged, which is recorded, or it is unknown."""
    try:
        app_state().gateway.call(call)
    except GatewayError as error:
        if _is_not_charged(error, call, via, doubtful=order.status == "unknown"):
            _record(order, "failed", via, version)
        raise
    return "paid"


def _is_not_charged(error: GatewayError, call: Call, via: Method, doubtful: bool) -> bool:
    """Return whether a failure proves that neither this try nor an earlier one charged the order.

    Once a try is in doubt, a later one that did nothing proves nothing, unless the vendor refuses
    the same key.
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
    is_status = len(code) == 3 and code.isdecimal()
    is_refusal = isinstance(error, Rejected) and (not is_status or code in PAYMENT_STATUSES)
    return is_refusal and via.idempotency_header is not None


def _settle(order: Order, call: Call) -> str:
    """:raises Conflict: the vendor's list of payments proves nothing."""
    data = app_state().gateway.call(call).data
    try:
        listed = _payments_schema.load(data)  # type: ignore[arg-type] # the vendor's; anything at all
    except ValidationError as error:
        raise BadResponse(detail=f"not a list of payments: {error.messages}") from error
    payments = [payment for payment in listed if payment["order_id"] == order.id]
    if any(
        payment["status"] in CHARGED_STATES and payment["amount"] == order.total
        for payment in payments
    ):
        return "paid"
    none_means_no = bool(payments) or g.caller.role == "admin"
    if none_means_no and all(payment["status"] in REFUSED_STATES for payment in payments):
        return "failed"
    raise Conflict("The service does not say what became of the payment; ask again later.")
