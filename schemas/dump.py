"""Rows as dicts for JSON: what a schema dumps, by one function that is compiled from its fields.

marshmallow asks every field of every row how to write it, which is most of what a list costs. Text,
numbers, ``Decimal`` and ``datetime`` stay as they are here: ``dump_json`` writes them as
marshmallow does.

    dump = entity_dumper(UserOut())
    dump_json(dump(user)) == dump_json(UserOut().dump(user))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

from marshmallow import Schema, fields

Convert = Callable[[Any], Any]
# Of fields whose values JSON has as they are; a subclass that writes them otherwise has its own.
_PLAIN = {
    field._serialize
    for field in (fields.Raw, fields.String, fields.Number, fields.Boolean, fields.DateTime)
}


def row_dumper(schema: Schema) -> Callable[[Iterable[Sequence[Any]]], list[dict[str, Any]]]:
    """Return what dumps rows that begin with the schema's fields, in their order."""
    names = tuple(schema.fields)
    conversions = _conversions(schema)

    def dump(rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
        items = [dict(zip(names, row, strict=False)) for row in rows]
        for name, convert in conversions:
            for item in items:
                item[name] = convert(item[name])
        return items

    return dump


def entity_dumper(schema: Schema) -> Callable[[object], dict[str, Any]]:
    """Return what dumps an object whose attributes are the schema's fields."""
    names = tuple(schema.fields)
    values_of = attrgetter(*names)
    conversions = _conversions(schema)

    def dump(entity: object) -> dict[str, Any]:
        item = dict(zip(names, values_of(entity), strict=True))
        for name, convert in conversions:
            item[name] = convert(item[name])
        return item

    return dump


def _conversions(schema: Schema) -> list[tuple[str, Convert]]:
    """Return the fields whose values JSON does not have as they are, and how each is written."""
    return [
        (name, _conversion(field)) for name, field in schema.fields.items() if not _is_plain(field)
    ]


def _is_plain(field: fields.Field[Any]) -> bool:
    if isinstance(field, fields.List):
        return _is_plain(field.inner)
    return type(field)._serialize in _PLAIN


def _conversion(field: fields.Field[Any]) -> Convert:
    if isinstance(field, fields.List) and isinstance(field.inner, fields.Nested):
        dump = entity_dumper(field.inner.schema)
        return lambda entities: [dump(entity) for entity in entities]
    return partial(field._serialize, attr=None, obj=None)
