"""Fields that say exactly what a value may be; marshmallow's own read ``"1"`` as 1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from schemas.bounded import Bounded
from schemas.numbers import ExactNumber

# --- fields

ROLES = ("guest", "user", "admin")
MAX_INTEGER = 2**63 - 1  # what both databases can hold
MAX_ID = 2**31 - 1  # what PostgreSQL's INTEGER can
MAX_MONEY = Decimal("9999999999.99")

#: What both databases can hold, at any offset from UTC.
SINCE = validate.Range(
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(9999, 1, 1, tzinfo=UTC),
    error="Must be a time from 1970 to 9998.",
)

# JSON has no Decimal, as the check has.
_MONEY: Mapping[str, Any] = {"minimum": 0, "maximum": float(MAX_MONEY)}
_MONEY_OUT = {"type": "string", "pattern": r"^[0-9]{1,10}\.[0-9]{2}$", **_MONEY, "example": "12.50"}
_MONEY_IN = {
    "type": ["string", "number"],
    "pattern": r"^[0-9]{1,10}(\.[0-9]{1,2})?$",
    "multipleOf": 0.01,
    **_MONEY,
    "example": "12.50",
}

# Python's own int() and Decimal() also take other scripts' digits, spaces and 1_0.
_WHOLE = re.compile(r"([+-]?[0-9]+)(\.0+)?")
_DECIMAL = re.compile(
    r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE
)


class Text(fields.String):
    """A text without NUL, which PostgreSQL cannot hold, and lone surrogates, which nothing writes.

    :param maximum: characters.
    """

    def __init__(
        self,
        maximum: int,
        minimum: int = 0,
        *,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        keywords = {"pattern": "^[^\\x00]*$", **(metadata or {})}
        super().__init__(validate=validate.Length(minimum, maximum), metadata=keywords, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if "\0" in text:
            raise ValidationError("Must not contain a NUL character.")
        try:
            text.encode()
        except UnicodeEncodeError as error:  # a lone surrogate
            raise ValidationError("Not a valid string.") from error
        return text


class Whole(fields.Integer):
    """A JSON integer of at most 64 bits; 1.0 is one (JSON Schema 2020-12, 4.2.3), "1" is none."""

    def __init__(self, minimum: int = 0, maximum: int = MAX_INTEGER, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(minimum, maximum), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)
        elif isinstance(value, ExactNumber):
            value = value.whole()
        if type(value) is not int:
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class Flag(fields.Boolean):
    """A JSON boolean; marshmallow's own takes ``"yes"`` and 1, too."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Number(fields.Integer):
    """A whole number as a query writes it: digits, and perhaps a ``.0``."""

    def __init__(self, minimum: int, maximum: int, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(minimum, maximum), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        whole = _WHOLE.fullmatch(value)
        if not whole:
            raise self.make_error("invalid")
        return super()._deserialize(whole[1], attr, data, **kwargs)


class Money(fields.Decimal):
    """A price with at most two decimals, as a number or a text; dumped as a text, never a float.

    :param incoming: it comes in; what is said of it in the OpenAPI file differs.
    """

    def __init__(
        self, *, incoming: bool = False, metadata: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(
            as_string=True,
            validate=validate.Range(Decimal(0), MAX_MONEY),
            metadata={**(_MONEY_IN if incoming else _MONEY_OUT), **(metadata or {})},
            **kwargs,
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float | str | ExactNumber)
            or len(str(value)) > 40
        ):
            raise self.make_error("invalid")
        if isinstance(value, str) and not _DECIMAL.fullmatch(value):
            raise self.make_error("invalid")
        amount = super()._deserialize(value, attr, data, **kwargs)
        if amount.adjusted() > 20 or amount != round(amount, 2):
            raise ValidationError("At most two decimals, up to 9999999999.99.")
        return round(amount, 2) + 0  # -0.00 is 0.00


# --- lists

MAX_ITEMS = 100


class ListArgs(Bounded):
    """``?skip=0&limit=10``, or ``?after=<id>`` for a page at constant cost however far in."""

    skip = Number(0, MAX_INTEGER, metadata={"default": 0})
    limit = Number(1, MAX_ITEMS, metadata={"default": 10})
    after = Number(0, MAX_ID, metadata={"description": "The last id seen."})


def since_field() -> fields.AwareDateTime:
    """Return the field of a list's earliest time."""
    return fields.AwareDateTime(
        format="iso",
        default_timezone=UTC,
        validate=SINCE,
        metadata={"description": "ISO 8601; UTC where it tells no offset."},
    )


def sort_field(*columns: str) -> fields.String:
    """``sort=price``, or ``sort=-price`` for the other way round."""
    return fields.String(
        validate=validate.OneOf([f"{sign}{column}" for column in columns for sign in ("", "-")])
    )


def search_field() -> Text:
    return Text(
        200,
        1,
        metadata={"description": "Finds this text, in any case (on SQLite: of A to Z only)."},
    )


def list_of(schema: type[Schema]) -> type[Schema]:
    """Return the answer's shape: ``{"items", "total", "skip", "limit"}``."""
    return _list_shape(schema, skip=fields.Integer(), limit=fields.Integer())


def whole_list_of(schema: type[Schema]) -> type[Schema]:
    """Return the shape of a list that has no pages: ``{"items", "total"}``."""
    return _list_shape(schema)


def _list_shape(schema: type[Schema], **others: fields.Field[Any]) -> type[Schema]:
    items = fields.List(fields.Nested(schema))
    name = schema.__name__.removesuffix("Out") + "ListOut"
    return Schema.from_dict({"items": items, "total": fields.Integer(), **others}, name=name)
