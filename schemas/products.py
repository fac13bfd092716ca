"""Products, in and out."""

from __future__ import annotations

from marshmallow import RAISE, Schema, fields

from schemas.bounded import Bounded
from schemas.fields import Money, Text, Whole
from schemas.lists import ListArgs, list_of, search_field, sort_field


class ProductIn(Bounded):
    class Meta:
        unknown = RAISE

    name = Text(200, 1, required=True)
    price = Money(given=True, required=True)
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
    price_min = Money(given=True)
    price_max = Money(given=True)
    category = Text(100, 1)


class QuantityIn(Bounded):
    class Meta:
        unknown = RAISE

    quantity = Whole(1, required=True)


ProductListOut = list_of(ProductOut)
