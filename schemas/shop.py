"""Schemas of products, orders and payments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema

from schemas.bounded import Bounded, Many
from schemas.catalog.fields import NAME
from schemas.fields import MAX_ID, ListArgs, Money, Text, Whole, list_of, search_field, sort_field

# --- products


class ProductIn(Bounded):
    name = Text(200, 1, required=True)
    price = Money(incoming=True, required=True)
    description = Text(10_000, load_default="")
    stock = Whole(load_default=0)
    category = Text(100, 1, load_default=None, allow_none=True)


class ProductOut(Schema):
    id = fields.Integer()
    name = fields.String()
    price = Money()
    description = fields.String()
    stock = fields.Integer()
    in_stock = fields.Boolean()
    category = fields.String(allow_none=True)
    created_at = fields.DateTime()


class ProductArgs(ListArgs):
    sort = sort_field("id", "name", "price", "stock", "created_at")
    q = search_field()
    in_stock = fields.Boolean(truthy={"true", "1"}, falsy={"false", "0"})
    price_min = Money(incoming=True)
    price_max = Money(incoming=True)
    category = Text(100, 1)


class QuantityIn(Bounded):
    quantity = Whole(1, required=True)


ProductListOut = list_of(ProductOut)


# --- orders

ORDER_STATES = ("pending", "paid", "failed", "unknown")
MAX_LINES = 100
MAX_QUANTITY = 2**31 - 1  # what PostgreSQL's INTEGER can hold

_METHOD_NAME = validate.Regexp(rf"^{NAME}\.{NAME}$(?!\n)", error="Must be service.method.")


class OrderLineIn(Bounded):
    product_id = Whole(1, MAX_ID, required=True)
    quantity = Whole(1, MAX_QUANTITY, required=True)


class OrderIn(Bounded):
    """What is wrong with a line is named ``items.<n>.<field>``."""

    items = Many(
        fields.Nested(OrderLineIn),
        max_wrong=MAX_LINES,
        required=True,
        validate=validate.Length(1, MAX_LINES),
    )

    @validates_schema
    def check_duplicate_products(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        product_ids: set[int] = set()
        for number, line in enumerate(data["items"]):
            if line["product_id"] in product_ids:
                raise ValidationError(
                    "Named more than once; say the whole quantity on one line.", line_name(number)
                )
            product_ids.add(line["product_id"])

    def handle_error(self, error: ValidationError, data: Any, **kwargs: Any) -> NoReturn:
        raise ValidationError(_dotted(error.messages_dict), data=data) from error


def line_name(number: int) -> str:
    """Return the field that names the product of one line."""
    return f"items.{number}.product_id"


def _dotted(messages: Mapping[Any, Any], under: str = "") -> dict[str, Any]:
    """``{"items": {0: {"quantity": [...]}}}`` as ``{"items.0.quantity": [...]}``."""
    flat: dict[str, Any] = {}
    for name, problems in messages.items():
        if isinstance(problems, Mapping):
            flat |= _dotted(problems, f"{under}{name}.")
        else:
            flat[f"{under}{name}"] = problems
    return flat


class OrderLineOut(Schema):
    product_id = fields.Integer()
    quantity = fields.Integer()
    price = Money(metadata={"description": "The product's when it was ordered."})


class OrderOut(Schema):
    id = fields.Integer()
    user_id = fields.Integer()
    status = fields.String(metadata={"enum": ORDER_STATES})
    total = Money()
    items = fields.List(fields.Nested(OrderLineOut))
    via = fields.String(
        allow_none=True, metadata={"description": "The service.method that charges."}
    )
    created_at = fields.DateTime()


class OrderArgs(ListArgs):
    sort = sort_field("id", "created_at", "total")
    status = fields.String(validate=validate.OneOf(ORDER_STATES))


class PayIn(Bounded):
    via = fields.String(
        required=True,
        validate=_METHOD_NAME,
        metadata={"description": "The service.method that charges."},
    )
    settle = fields.String(
        validate=_METHOD_NAME,
        metadata={"description": "The service.method that tells an order's payments."},
    )


class PaymentOut(Schema):
    """One payment as a vendor tells it."""

    class Meta:
        unknown = EXCLUDE

    order_id = fields.Integer(required=True)
    amount = fields.Decimal(required=True, allow_nan=False)
    status = fields.String(required=True)


OrderListOut = list_of(OrderOut)
