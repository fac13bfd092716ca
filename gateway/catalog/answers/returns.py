"""``returns:`` of a method: what its answers look like, in the words of ``params``.

A schema of any type, or names with a schema each: an object's properties.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields

from gateway.catalog.model import Method
from gateway.catalog.params.schema import TYPES
from gateway.catalog.yaml.document import Advice, Path_
from schemas.catalog.fields import MESSAGES, NamedMap
from schemas.catalog.params import FORMATS
from schemas.catalog.returns import compile_check

_SHAPE = (
    "must be a schema, such as {type: array, items: {type: string}},"
    " or the answer's properties by name, each with a schema"
)
#: What says how a parameter is sent, and nothing of an answer.
_OF_PARAMETERS = (
    "in_", "default", "style", "explode", "allowReserved", "array_format", "object_format",
)  # fmt: skip

_SHAPES = ("oneOf", "anyOf")
_NAME = re.compile(r"\S+")


class ReturnsField(fields.Field[Any]):
    """Loads a schema, or names with one each, into one schema."""

    def __init__(self, schema: Schema, **options: Any) -> None:
        super().__init__(error_messages=MESSAGES, **options)
        self.schema = schema

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            raise ValidationError(_SHAPE)
        if _is_plain(value):
            return value
        if _is_schema(value):
            schema: dict[str, Any] = self.schema.load(value)
            problems = _parameter_keys(schema)
        elif all(isinstance(inner, dict) for inner in value.values()):
            schema = {"type": "object", "properties": NamedMap(self.schema).deserialize(value)}
            problems = _parameter_keys(schema).get("properties", {})
        else:
            raise ValidationError(_SHAPE)
        if problems:
            raise ValidationError(problems)
        return schema


def _is_plain(schema: Any) -> bool:
    """Return whether it is right at a glance; otherwise that remains to be seen.

    An imported catalog has tens of thousands of schemas, of which marshmallow takes seconds.
    """
    if type(schema) is not dict:
        return False
    if "anyOf" in schema:
        if not schema.keys() <= _BESIDE_ANY_OF:
            return False
    elif schema.get("type") not in TYPES:
        return False
    for key, value in schema.items():
        look = _LOOKS.get(key)
        if look is None or not look(value):
            return False
    return True


def _are_plain(properties: dict[Any, Any]) -> bool:
    return all(map(_NAME.fullmatch, properties)) and all(map(_is_plain, properties.values()))


def _is_flag(value: Any) -> bool:
    return value is True or value is False


_BESIDE_ANY_OF = frozenset({"anyOf", "required", "nullable"})
#: By keyword, whether a value is right at a glance.
_LOOKS: Mapping[str, Callable[[Any], bool]] = {
    "type": lambda value: True,
    "required": _is_flag,
    "nullable": _is_flag,
    "format": lambda value: type(value) is str and value in FORMATS,
    "enum": lambda value: type(value) is list and bool(value) and None not in value,
    "items": _is_plain,
    "additionalProperties": _is_plain,
    "anyOf": lambda value: type(value) is list and bool(value) and all(map(_is_plain, value)),
    "properties": lambda value: type(value) is dict and _are_plain(value),
}


def share_equal(value: Any, pool: dict[Any, Any]) -> Any:
    """Return the value, or an equal one that was shared: many answers have the same things in them.

    :param pool: what was shared so far; to be forgotten once all are.
    """
    if isinstance(value, dict):
        shared: Any = {name: share_equal(inner, pool) for name, inner in value.items()}
        key: Any = tuple((name, _identity(inner)) for name, inner in shared.items())
    elif isinstance(value, list):
        shared = [share_equal(inner, pool) for inner in value]
        key = tuple(map(_identity, shared))
    else:
        return value
    return pool.setdefault((type(value), key), shared)


def _identity(value: Any) -> tuple[type, Any]:
    return type(value), id(value) if isinstance(value, dict | list) else value


def _is_schema(value: Mapping[str, Any]) -> bool:
    if isinstance(value.get("type"), str):
        return True
    return any(isinstance(value.get(key), list) for key in _SHAPES)


def check_returns(method: Method) -> Iterator[Advice]:
    """Yield what cannot be checked or means nothing."""
    if method.returns is None and method.check_returns:
        yield ("check_returns",), "needs returns beside it, which says what to check for"
    if method.returns is not None and method.streams_answer:
        yield ("returns",), "what is streamed goes on as it comes; drop returns or stream"


def check_static(path: Path_, method: Method) -> Iterator[Advice]:
    """Yield a note where the method's own ``fallback`` is not as ``returns`` says."""
    if method.returns is not None and method.fallback and not method.fallback.call:
        problem = compile_check(method.returns)(method.fallback.static)
        if problem:
            yield (*path, "fallback", "static"), f"not as returns says: data{problem}"


def _parameter_keys(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return messages about the keys that are for parameters, by their places."""
    problems: dict[str, Any] = {
        key: ["is for parameters; drop it in returns"] for key in _OF_PARAMETERS if key in keywords
    }
    for key in ("items", "additionalProperties"):
        if isinstance(keywords.get(key), Mapping):
            problems[key] = _parameter_keys(keywords[key])
    problems["properties"] = _problems_in(keywords.get("properties", {}).items())
    for key in _SHAPES:
        problems[key] = _problems_in(enumerate(keywords.get(key, ())))
    return {key: inner for key, inner in problems.items() if inner}


def _problems_in(schemas: Iterable[tuple[Any, Mapping[str, Any]]]) -> dict[Any, Any]:
    problems = {place: _parameter_keys(keywords) for place, keywords in schemas}
    return {place: inner for place, inner in problems.items() if inner}
