"""A parameter as a catalog has it: OpenAPI's keywords, what is wrong with them, and what to write.

ParamSchema().load({"type": "array", "items": {"type": "string"}, "explode": False})
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from gateway.bodies.pairs import ARRAY_FORMATS, OBJECT_FORMATS
from schemas.catalog.fields import (
    MESSAGES,
    NamedMap,
    OneOfShapes,
    Strict,
    flag,
    one_of,
    text,
    whole,
)
from schemas.catalog.param_styles import STYLES
from schemas.catalog.params import FORMATS, JsonType

TYPES = ("string", "integer", "number", "boolean", "array", "object")
#: Keywords of which the first may not be over the second.
BOUNDS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))
#: What a parameter may say beside ``oneOf`` or ``anyOf``.
BESIDE_SHAPES = (
    "in_", "required", "nullable", "default", "description", "example", "array_format",
    "object_format",
)  # fmt: skip


def _extras_field(value: Any) -> fields.Field[Any]:
    return flag() if isinstance(value, bool) else fields.Nested(ParamSchema)


class ParamSchema(Strict):
    """OpenAPI's keywords for one parameter, plus ``in``."""

    usual = "{type: string}"

    type = text(validate=one_of(*TYPES))
    in_ = text(data_key="in", validate=one_of("path", "query", "header", "body"))
    required = fields.Raw()
    description = text()
    nullable = flag()
    enum = fields.List(fields.Raw(), validate=validate.Length(min=1))
    default = fields.Raw(allow_none=True)
    example = fields.Raw(allow_none=True)
    minimum = JsonType("number")
    maximum = JsonType("number")
    minLength = whole()
    maxLength = whole()
    minItems = whole()
    maxItems = whole()
    pattern = text()
    format = text(validate=one_of(*sorted(FORMATS)))
    items = fields.Nested("ParamSchema")
    properties = NamedMap(fields.Nested("ParamSchema"))
    additionalProperties = OneOfShapes(_extras_field)
    oneOf = fields.List(fields.Nested("ParamSchema"), validate=validate.Length(min=1))
    anyOf = fields.List(fields.Nested("ParamSchema"), validate=validate.Length(min=1))
    style = text(validate=one_of(*STYLES))
    explode = flag()
    allowReserved = flag()
    array_format = text(validate=one_of(*ARRAY_FORMATS))
    object_format = text(validate=one_of(*OBJECT_FORMATS))

    @validates_schema
    def check_type(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        shapes = [key for key in ("oneOf", "anyOf") if key in data]
        if not shapes and "type" not in data:
            raise ValidationError(MESSAGES["required"], "type")
        if not shapes:
            return
        for key in data:
            if key not in (shapes[0], *BESIDE_SHAPES):
                raise ValidationError(f"belongs into each shape of {shapes[0]}", key)

    @validates_schema
    def check_keywords(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        required = data.get("required", False)
        if required is True and "default" in data:
            raise ValidationError(
                "has a default, so it is never missing; drop required or default", "required"
            )
        names = isinstance(required, list) and all(isinstance(name, str) for name in required)
        if not isinstance(required, bool) and not (names and data.get("type") == "object"):
            raise ValidationError("must be true or false", "required")
        _check_bounds(data)
        if "pattern" in data:
            try:
                re.compile(data["pattern"])
            except re.error as error:
                raise ValidationError(f"not a regular expression: {error}", "pattern") from error


def _check_bounds(data: Mapping[str, Any]) -> None:
    """:raises ValidationError: no value could be allowed."""
    for lower, upper in BOUNDS:
        if lower in data and upper in data and data[lower] > data[upper]:
            raise ValidationError(
                f"is over {upper} ({data[upper]}), so no value would do; swap the two", lower
            )
