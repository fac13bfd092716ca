"""A method's ``params``, written with OpenAPI's keywords, as one marshmallow schema.

Values that arrive as JSON must have the declared JSON type;
values that arrive in a query string are text and are read as the declared type (``from_text``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from schemas.bounded import Bounded, Many
from schemas.catalog.hints import did_you_mean
from schemas.catalog.param_styles import list_separator
from schemas.catalog.text_formats import TEXT_FORMATS
from schemas.numbers import ExactNumber, read_number
from schemas.shapes import Alternatives, OpenObject

MAX_COMPARED_CHARACTERS = 64  # of a caller's value, with one that is allowed
MAX_COMPARED_WORDS = 100
UNCHECKED_FORMATS = ("int32", "int64", "float", "double", "password", "byte", "binary")
FORMATS = frozenset({*TEXT_FORMATS, *UNCHECKED_FORMATS})


class JsonType(fields.Field[Any]):
    """A value of exactly one JSON type: ``"1"`` is not read as 1."""

    def __init__(self, json_type: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.python_types, self.message = JSON_TYPES[json_type]
        self.json_type = json_type

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, self.python_types) or (
            isinstance(value, bool) and self.json_type != "boolean"
        ):
            raise ValidationError(self.refusal(value))
        if self.json_type == "integer" and not isinstance(value, int):
            return self._whole(value)
        return value

    def refusal(self, value: object) -> str:
        """Return what is said of a value of another type."""
        return self.message

    def _whole(self, value: Any) -> int:
        if isinstance(value, ExactNumber):
            whole = value.whole()
        else:
            whole = int(value) if value.is_integer() else None
        if whole is None:
            raise ValidationError(self.message)
        return whole


#: Python's types of each JSON type, and what is said of a value of another.
JSON_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "Not a valid string."),
    "integer": ((int, float, ExactNumber), "Not a valid integer."),
    "number": ((int, float, ExactNumber), "Not a valid number."),
    "boolean": ((bool,), "Not a valid boolean."),
    "object": ((dict,), "Not a valid object."),
    "array": ((list,), "Not a valid list."),
}
_WHOLE = re.compile(r"(-?[0-9]{1,400})(\.0{1,300})?")
_JSON_NUMBER = re.compile(r"-?(?!0[0-9])")  # not 007.5
_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,3})?")


class FromText(JsonType):
    """The same types read from a query string: ``"5"`` is 5, ``"true"`` is true."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            value = self._read(value)
        return super()._deserialize(value, attr, data, **kwargs)

    def _read(self, text: str) -> object:
        if self.json_type == "boolean":
            return {"true": True, "false": False}.get(text.lower(), text)
        if self.json_type in ("integer", "number"):
            return self._read_number(text)
        if self.json_type == "array":
            return [text]
        if self.json_type == "string":
            return text
        return None

    def _read_number(self, text: str) -> float | ExactNumber | None:
        if whole := _WHOLE.fullmatch(text):
            return int(whole[1])
        if self.json_type == "number" and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
            return read_number(text) if _JSON_NUMBER.match(text) else float(text)
        return None


class Items(Many):
    """An array; in a query string a single value stands for a list of one.

    :param separator: between items of such a value; None where it is one item.
    """

    def __init__(
        self,
        inner: fields.Field[Any],
        *,
        accept_single: bool,
        separator: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(inner, **kwargs)
        self.accept_single = accept_single
        self.separator = separator

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if isinstance(value, str) and self.accept_single:
            value = value.split(self.separator) if self.separator else [value]
        return super()._deserialize(value, attr, data)


def params_schema(declared: Mapping[str, Mapping[str, Any]], *, from_text: bool = False) -> Schema:
    """Return a schema for the declared parameters.

    :param declared: OpenAPI keywords by name, as ``gateway.catalog.params.schema`` checks them.
    :param from_text: the values will come from a query string.
    """
    param_fields = {
        name: _field(keywords, from_text, keywords.get("required") is True)
        for name, keywords in declared.items()
    }
    return Bounded.from_dict(param_fields, name="MethodParams")()


def value_problems(keywords: Mapping[str, Any], value: object) -> Any:
    """Return marshmallow's messages about one value of one declared parameter."""
    try:
        _field(keywords, False, False).deserialize(value)
    except ValidationError as error:
        return error.messages
    return []


def _field(keywords: Mapping[str, Any], from_text: bool, required: bool) -> fields.Field[Any]:
    options: dict[str, Any] = {
        "required": required and "default" not in keywords,
        "validate": make_validators(keywords),
    }
    if "default" in keywords:
        options["load_default"] = keywords["default"]
    if keywords.get("nullable"):
        options["allow_none"] = True
    for keyword in ("oneOf", "anyOf"):
        if keyword in keywords:
            return _alternatives(keyword, keywords[keyword], from_text, options)
    json_type = keywords["type"]
    extra = keywords.get("additionalProperties")
    if json_type == "object" and (extra is not None or keywords.get("properties")):
        return _object(keywords, options)
    if json_type == "array" and "items" in keywords:
        return Items(
            _field(keywords["items"], from_text, False),
            accept_single=from_text,
            separator=list_separator(keywords),
            **options,
        )
    if from_text:
        return FromText(json_type, **options)
    return JsonType(json_type, **options)


def _alternatives(
    keyword: str, shapes: list[Mapping[str, Any]], from_text: bool, options: dict[str, Any]
) -> Alternatives:
    if any(shape.get("nullable") for shape in shapes):
        options["allow_none"] = True
    inner = [_field(shape, from_text, False) for shape in shapes]
    return Alternatives(inner, keyword=keyword, from_text=from_text, **options)


def _object(keywords: Mapping[str, Any], options: dict[str, Any]) -> fields.Field[Any]:
    extra = keywords.get("additionalProperties")
    if extra in (None, False):
        schema = Bounded.from_dict(_properties(keywords), name="ObjectParam")
        return fields.Nested(schema, **options)
    field = None if extra is True else _field(extra, False, False)
    return OpenObject(_properties(keywords), field, **options)


def _properties(keywords: Mapping[str, Any]) -> dict[str, fields.Field[Any]]:
    """Return an object's fields; its keyword ``required`` or a property's own counts."""
    required = keywords.get("required")
    if not isinstance(required, list):
        required = []
    return {
        name: _field(inner, False, name in required or inner.get("required") is True)
        for name, inner in keywords.get("properties", {}).items()
    }


def make_validators(keywords: Mapping[str, Any]) -> list[Callable[[Any], Any]]:
    """Return the checks of one type; keywords for another are ignored (JSON Schema 2020-12, 6)."""
    checks: list[Callable[[Any], Any]] = []
    kind = keywords.get("type")  # none beside oneOf and anyOf
    if "enum" in keywords:
        checks.append(_Enum(keywords["enum"]))
    if kind in ("integer", "number") and ("minimum" in keywords or "maximum" in keywords):
        checks.append(validate.Range(min=keywords.get("minimum"), max=keywords.get("maximum")))
    suffix = {"string": "Length", "array": "Items"}.get(kind or "")
    minimum = keywords.get(f"min{suffix}")
    maximum = keywords.get(f"max{suffix}")
    if minimum is not None or maximum is not None:
        checks.append(validate.Length(min=minimum, max=maximum))
    if kind == "string" and "pattern" in keywords:
        checks.append(_Pattern(keywords["pattern"], maximum))
    if kind == "string" and keywords.get("format") in TEXT_FORMATS:
        checks.append(TEXT_FORMATS[keywords["format"]]())
    return checks


class _Enum(validate.OneOf):
    """One of several values; the message names the one that a short text is like."""

    def _format_error(self, value: Any) -> str:
        message = super()._format_error(value)
        if not isinstance(value, str) or len(value) > MAX_COMPARED_CHARACTERS:
            return message
        words = [word for word in self.choices if isinstance(word, str)]
        hint = did_you_mean(value, words[:MAX_COMPARED_WORDS])
        return message.removesuffix(".") + hint if hint else message


class _Pattern:
    """OpenAPI's ``pattern``, which may match anywhere (JSON Schema 2020-12, 6.3.3).

    :param max_characters: of a value that is allowed; a longer one, which another check refuses,
        is not searched: with ``[0-9]+$`` that takes a time that grows with its square.
    """

    def __init__(self, pattern: str, max_characters: int | None) -> None:
        self.pattern = re.compile(pattern)
        self.max_characters = max_characters

    def __call__(self, value: str) -> None:
        if self.max_characters is not None and len(value) > self.max_characters:
            return
        if not self.pattern.search(value):
            raise ValidationError(f"Does not match the pattern {self.pattern.pattern}.")
