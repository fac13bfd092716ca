"""Whether an answer has the shape that a method's ``returns`` declares, compiled to functions.

    check = compile_check({"type": "array", "items": {"type": "integer"}})
    check([1, "2"])  # ".1: Not a valid integer."

The words mean what they mean of parameters, but for this: a field that is not declared may be
there, of ``oneOf`` several may fit, and of a list the first MAX_CHECKED_ITEMS are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from marshmallow import ValidationError

from schemas.catalog.params import JSON_TYPES, make_validators
from schemas.numbers import ExactNumber

#: Returns what is wrong first, by its place in the value, and nothing where nothing is.
Check = Callable[[Any], str]
Keywords = Mapping[str, Any]

MAX_CHECKED_ITEMS = 1000
_MISSING = ": Missing data for required field."
_NULL = ": Field may not be null."
_NO_SHAPE = ": Fits none of the shapes that are declared."
_UNDECLARED = ": Has a field that is not declared."


def compile_check(keywords: Keywords) -> Check:
    """Return what checks values against keywords that ``gateway.catalog.schema`` has taken."""
    shapes = keywords.get("oneOf") or keywords.get("anyOf") or ()
    nullable = any(shape.get("nullable") for shape in (keywords, *shapes))
    check = _shapes_check(shapes) if shapes else _type_check(keywords)

    def check_value(value: Any) -> str:
        if value is None:
            return "" if nullable else _NULL
        return check(value)

    return check_value


def _shapes_check(shapes: Iterable[Keywords]) -> Check:
    """Return what checks that one shape fits, or several: a field more would make an answer so."""
    checks = [compile_check(shape) for shape in shapes]

    def check(value: Any) -> str:
        for find_problem in checks:
            if not find_problem(value):
                return ""
        return _NO_SHAPE

    return check


def _type_check(keywords: Keywords) -> Check:
    kind = keywords["type"]
    types, message = JSON_TYPES[kind]
    is_boolean = kind == "boolean"
    is_integer = kind == "integer"
    inner = _inner_check(kind, keywords)
    validators = make_validators(keywords)

    def check(value: Any) -> str:
        if not isinstance(value, types) or isinstance(value, bool) is not is_boolean:
            return f": {message}"
        if is_integer and _has_fraction(value):
            return f": {message}"
        for validate in validators:
            try:
                validate(value)
            except ValidationError as error:
                return f": {error.messages[0]}"
        return inner(value) if inner else ""

    return check


def _has_fraction(number: Any) -> bool:
    if isinstance(number, ExactNumber):
        return number.whole() is None
    return bool(number % 1)


def _inner_check(kind: str, keywords: Keywords) -> Check | None:
    if kind == "array" and "items" in keywords:
        return _items_check(compile_check(keywords["items"]))
    if kind == "object":
        return _object_check(keywords)
    return None


def _items_check(check_item: Check) -> Check:
    def check(items: Any) -> str:
        for place, item in enumerate(islice(items, MAX_CHECKED_ITEMS)):
            if problem := check_item(item):
                return f".{place}{problem}"
        return ""

    return check


def _object_check(keywords: Keywords) -> Check | None:
    properties = keywords.get("properties", {})
    names = keywords.get("required")
    required = names if isinstance(names, list) else []
    fields = [
        (name, compile_check(inner), name in required or inner.get("required") is True)
        for name, inner in properties.items()
    ]
    check_extras = _extras_check(keywords.get("additionalProperties"), frozenset(properties))
    if not fields and check_extras is None:
        return None

    def check(value: Any) -> str:
        for name, check_field, is_required in fields:
            if name not in value:
                if is_required:
                    return f".{name}{_MISSING}"
            elif problem := check_field(value[name]):
                return f".{name}{problem}"
        return check_extras(value) if check_extras else ""

    return check


def _extras_check(declared: object, declared_names: frozenset[str]) -> Check | None:
    """Return what checks the fields whose names are not declared; their names are not told."""
    if declared is False:
        return lambda value: "" if value.keys() <= declared_names else _UNDECLARED
    if not isinstance(declared, Mapping):
        return None
    check_other = compile_check(declared)

    def check(value: Any) -> str:
        extras = (inner for name, inner in value.items() if name not in declared_names)
        for other in islice(extras, MAX_CHECKED_ITEMS):
            if problem := check_other(other):
                return f".*{problem}"
        return ""

    return check
