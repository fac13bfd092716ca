"""Lists: what may be asked of one, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from schemas.bounded import Bounded
from schemas.fields import MOST_ID, MOST_INTEGER, Number, Text

MOST_ITEMS = 100


class ListArgs(Bounded):
    """``?skip=0&limit=10``, or ``?after=<id>`` for a page at constant cost however far in."""

    class Meta:
        unknown = RAISE

    skip = Number(0, MOST_INTEGER, metadata={"default": 0})
    limit = Number(1, MOST_ITEMS, metadata={"default": 10})
    after = Number(0, MOST_ID, metadata={"description": "The last id seen."})


def sort_field(*columns: str) -> fields.String:
    """``sort=price``, or ``sort=-price`` for the other way round."""
    return fields.String(validate=validate.OneOf([f"{sign}{column}" for column in columns for sign in ("", "-")]))


def search_field() -> Text:
    return Text(200, 1, metadata={"description": "Finds this text, in any case (on SQLite: of A to Z only)."})


def list_of(schema: type[Schema]) -> type[Schema]:
    """The answer's shape: ``{"items", "total", "skip", "limit"}``."""
    return Schema.from_dict(
        {
            "items": fields.List(fields.Nested(schema)),
            "total": fields.Integer(),
            "skip": fields.Integer(),
            "limit": fields.Integer(),
        },
        name=schema.__name__.removesuffix("Out") + "ListOut",
    )


def plain(schema: type[Schema]) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """What makes an item of a row that begins with the schema's fields, where JSON can say all of them as they are.

    marshmallow asks every field of every row how; that is most of what a list costs.
    """
    names = tuple(schema().fields)
    return lambda row: dict(zip(names, row, strict=False))
