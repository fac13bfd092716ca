"""Marshmallow schemas compiled to plain functions, for what every call loads.

They read what is right, in a few calls of Python functions where marshmallow needs fifty; what they
do not read is left to marshmallow, whose result or messages it gets.

    load = compile_schema(params_schema({"n": {"type": "integer"}}))
    load({"n": 5})
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, missing, validate

from schemas.bounded import Many
from schemas.catalog.params import FromText, JsonType
from schemas.numbers import ExactNumber

Load = Callable[[Any], Any]
Check = Callable[[Any], Any]
Types = frozenset[type]

NO_TYPES: Types = frozenset()
#: Values of these types are what they are loaded as. A bool is no int here: types are compared.
_UNCHANGED: dict[str, Types] = {
    "string": frozenset({str}),
    "integer": frozenset({int}),
    "number": frozenset({int, float, ExactNumber}),
    "boolean": frozenset({bool}),
    "object": frozenset({dict}),
    "array": frozenset({list}),
}


def compile_schema(schema: Schema) -> Load:
    """Return a function that loads as ``schema.load`` does and raises the same ``ValidationError``.

    Only a dot in a name is no path here, as it is for marshmallow.
    """
    if not _is_plain(schema):
        return schema.load
    read = _object_reader(schema)

    def load(data: Any) -> Any:
        try:
            return read(data)
        except ValidationError:
            pass  # marshmallow finds all that is wrong, not only the first
        return schema.load(data)

    return load


def _is_plain(schema: Schema) -> bool:
    """Return whether a schema's fields say all of what it loads, and other names are wrong."""
    return schema.unknown == RAISE and not schema.partial and not any(schema._hooks.values())


def _object_reader(schema: Schema) -> Load:
    """Return a reader of objects; it raises a ``ValidationError`` for what it does not read."""
    if not _is_plain(schema):
        return schema.load
    plan = [
        (name, field.data_key or name, *_value_reader(field), field)
        for name, field in schema.load_fields.items()
    ]

    def read(data: Any) -> dict[str, Any]:
        if type(data) is not dict:
            raise ValidationError("not an object")
        loaded = {}
        unknown = len(data)
        for name, key, unchanged, read_value, field in plan:
            value = data.get(key, missing)
            if value is missing:
                if field.required:
                    raise ValidationError("missing")
                default = field.load_default
                if default is not missing:
                    loaded[name] = default() if callable(default) else default
                continue
            unknown -= 1
            loaded[name] = value if type(value) in unchanged else read_value(value)
        if unknown:
            raise ValidationError("unknown names")
        return loaded

    return read


def _value_reader(field: fields.Field[Any]) -> tuple[Types, Load]:
    """Return the types of values that need no reading, and a reader of all others."""
    null = frozenset({NoneType}) if field.allow_none else NO_TYPES
    unchanged = _unchanged_types(field)
    if field.pre_load or field.post_load or field.attribute:
        return NO_TYPES, field.deserialize
    if unchanged and not field.validators:
        return unchanged | null, field.deserialize
    if unchanged:
        return null, _checked_reader(unchanged, field)
    if isinstance(field, Many):
        return null, _list_reader(field)
    if type(field) is fields.Nested and not field.many and field.unknown is None:
        return null, _with_checks(_object_reader(field.schema), field.validators)
    return null, _field_reader(field)


def _unchanged_types(field: fields.Field[Any]) -> Types:
    if type(field) in (JsonType, FromText):
        return _UNCHANGED[field.json_type]  # type: ignore[attr-defined]
    if type(field) is fields.String:
        return _UNCHANGED["string"]
    if type(field) is fields.Dict and not field.key_field and not field.value_field:
        return _UNCHANGED["object"]
    return NO_TYPES


def _checked_reader(unchanged: Types, field: fields.Field[Any]) -> Load:
    checks = field.validators

    def read(value: Any) -> Any:
        if type(value) not in unchanged:
            return field.deserialize(value)
        for check in checks:
            check(value)
        return value

    return read


def _field_reader(field: fields.Field[Any]) -> Load:
    """Return the field's own reader, with its checks one by one."""
    checks = field.validators

    def read(value: Any) -> Any:
        if value is None:
            return field.deserialize(value)
        loaded = field._deserialize(value, None, None)
        for check in checks:
            check(loaded)
        return loaded

    return read


def _list_reader(field: Many) -> Load:
    unchanged, read_item = _value_reader(field.inner)
    lengths = [check for check in field.validators if isinstance(check, validate.Length)]
    checks = [check for check in field.validators if not isinstance(check, validate.Length)]

    def read(value: Any) -> Any:
        if type(value) is not list:
            return field.deserialize(value)  # text may stand for a list of one
        for length in lengths:  # before its items, which may be very many
            length(value)
        items = [item if type(item) in unchanged else read_item(item) for item in value]
        for check in checks:
            check(items)
        return items

    return read


def _with_checks(read: Load, checks: Sequence[Check]) -> Load:
    if not checks:
        return read

    def read_and_check(value: Any) -> Any:
        loaded = read(value)
        for check in checks:
            check(loaded)
        return loaded

    return read_and_check
