"""Orders: a user's own; an admin's are everybody's; to an app every order is not found."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask import Response
from sqlalchemy.orm import Session, selectinload

from api.auth import role_required, token_required
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.cache import cached_response, caller_cache_key, write_session
from api.http.etags import etag_of, etag_response
from api.http.idempotency import idempotent_by_database
from api.http.lists import RowList, csv_response, wants_csv
from api.resources.users import is_self_or_admin, missing_user
from gateway.errors import Conflict, InvalidParams, NotFound, fields_error
from models import Order, OrderLine, Product, User
from schemas.dump import entity_dumper
from schemas.fields import MAX_MONEY
from schemas.shop import OrderArgs, OrderIn, OrderListOut, OrderOut, line_name

blueprint = Blueprint("orders", __name__, description="Products that users ordered.")
_order_schema = OrderOut()
_dump_order = entity_dumper(_order_schema)
_orders = RowList(
    Order,
    sa.select(Order).options(selectinload(Order.items)),
    lambda rows: [_dump_order(row[0]) for row in rows],
    {
        "user_id": lambda user_id: Order.user_id == user_id,
        "status": lambda status: Order.status == status,
    },
)
_row_schema = OrderOut(exclude=["items"])


@blueprint.get("/users/<id:user_id>/orders")
@token_required
@blueprint.arguments(OrderArgs, location="query")
@blueprint.response(200, OrderListOut)
def list_orders(args: dict[str, Any], user_id: int) -> Response:
    """A user's orders; as CSV one line each, without their items."""
    args = {**args, "user_id": user_id}

    def read() -> tuple[Any, None]:
        with app_state().database.read_session() as session:
            _check_list(session, user_id, args)
            return _orders.page(session, args), None

    if not wants_csv():
        return cached_response("orders", read, audience=caller_cache_key())
    with app_state().database.read_session() as session:
        _check_list(session, user_id, args)
    return csv_response(_orders, _row_schema, args)


@blueprint.post("/users/<id:user_id>/orders")
@role_required("user", "admin")
@blueprint.arguments(OrderIn, example={"items": [{"product_id": 1, "quantity": 2}]})
@blueprint.response(201, OrderOut)
@idempotent_by_database()
def create_order(data: dict[str, Any], user_id: int) -> Response:
    """A new order: all its lines are taken out of stock, or, with 409, none. A product stands on one line."""  # noqa: E501  # the summary in the OpenAPI file
    with write_session("orders", "products") as session:  # whose stock changes
        _check_user(session, user_id)
        lines = _take_lines(session, data["items"])
        total = sum((line.price * line.quantity for line in lines), Decimal(0))
        if total > MAX_MONEY:
            raise fields_error("items", [f"The total is over {MAX_MONEY}."])
        order = Order(user_id=user_id, total=total, items=lines)
        session.add(order)
        session.flush()
        return order_response(order, 201)


@blueprint.get("/orders/<id:order_id>")
@token_required
@blueprint.response(200, OrderOut)
def get_order(order_id: int) -> Response:
    """One order."""

    def read() -> tuple[Any, str]:
        with app_state().database.read_session() as session:
            order = get_own_order(session, order_id)
            return _dump_order(order), etag_of(order)

    return cached_response("orders", read, audience=caller_cache_key())


def get_own_order(session: Session, order_id: int) -> Order:
    """:raises NotFound: there is none, or it is somebody else's: a caller cannot tell which."""
    order = session.get(Order, order_id, populate_existing=True)
    if order is None or not is_self_or_admin(order.user_id):
        raise NotFound(
            f"There is no order {order_id} of yours; GET /api/v1/users/<id>/orders lists those."
        )
    return order


def order_response(order: Order, status: int = 200) -> Response:
    return etag_response(_dump_order(order), etag_of(order), status)


def _check_user(session: Session, user_id: int) -> None:
    if not is_self_or_admin(user_id) or session.get(User, user_id) is None:
        raise missing_user(user_id)


def _check_list(session: Session, user_id: int, args: dict[str, Any]) -> None:
    _check_user(session, user_id)
    by_value = "after" in args and args.get("sort", "id") not in ("id", "-id")
    if by_value and not _owns(session, user_id, args["after"]):
        raise fields_error("after", ["There is no such item."])


def _owns(session: Session, user_id: int, order_id: int) -> bool:
    """Return whether an order is the user's: paging after another's would reveal its place."""
    query = sa.select(Order.id).where(Order.id == order_id, Order.user_id == user_id)
    return session.scalar(query) is not None


def _take_lines(session: Session, items: list[dict[str, int]]) -> list[OrderLine]:
    """Take the items out of stock and return the lines; after an error do not commit.

    Rows are locked in the order of their ids, so that two orders cannot wait for each other, and
    prices are read once the rows are locked, so that they are those of the moment.
    """
    ids = sorted(item["product_id"] for item in items)
    quantities = {item["product_id"]: item["quantity"] for item in items}
    in_stock = {
        product_id
        for product_id in ids
        if Product.take_stock(session, product_id, quantities[product_id])
    }
    rows = session.execute(
        sa.select(Product.id, Product.price, Product.stock).where(Product.id.in_(ids))
    )
    products = {row.id: row for row in rows}

    unknown: dict[str, list[str]] = {}
    short: dict[str, list[str]] = {}
    for number, item in enumerate(items):
        product_id = item["product_id"]
        if product_id not in products:
            unknown[line_name(number)] = [f"There is no product {product_id}."]
        elif product_id not in in_stock:
            stock = products[product_id].stock
            short[line_name(number)] = [f"There are only {stock} in stock."]
    if unknown:
        raise InvalidParams(fields=unknown)
    if short:
        raise Conflict(
            "There is not enough in stock; error.fields says of what. Order less of it.",
            fields=short,
        )
    return [OrderLine(**item, price=products[item["product_id"]].price) for item in items]
