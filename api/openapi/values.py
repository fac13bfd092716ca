"""Values in the OpenAPI file: a catalog's keywords as JSON Schema, and samples of values.

>>> schema_of({"type": "string", "nullable": True, "in": "query"})
{"type": ["string", "null"]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_SAMPLE_SIZE = 1000  # characters, or items: a catalog may ask for any number of them
#: What ``schema_of`` writes itself, or what says how a vendor gets it.
_NOT_IN_SCHEMA = frozenset({
    "in", "in_", "required", "nullable", "example", "items", "properties", "additionalProperties",
    "oneOf", "anyOf", "style", "explode", "allowReserved", "array_format", "object_format",
})  # fmt: skip
_BY_TYPE: Mapping[str, Any] = {
    "string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {},
}  # fmt: skip
_BY_FORMAT: Mapping[str, str] = {
    "email": "ann@example.com",
    "uri": "https://example.com",
    "uuid": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "date": "2026-11-21",
    "date-time": "2026-11-21T03:40:00Z",
    "byte": "dGV4dA==",
}


def schema_of(keywords: Mapping[str, Any], *, from_text: bool = False) -> dict[str, Any]:
    """Return the schema of a value, by OpenAPI 3.0's keywords, which the catalog has.

    :param from_text: it comes in a query, where there is no null.
    """
    schema = {key: value for key, value in keywords.items() if key not in _NOT_IN_SCHEMA}
    if schema.get("format") == "binary":
        schema["format"] = "byte"  # JSON has bytes as base64, and generators a file for binary
    shapes = _shapes_of(keywords, from_text)
    schema |= shapes
    if keywords.get("nullable") and not from_text and not shapes:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    if "example" in keywords:
        schema["examples"] = [keywords["example"]]
    if "items" in keywords:
        schema["items"] = schema_of(keywords["items"], from_text=from_text)
    if keywords.get("properties"):
        schema |= object_of(keywords["properties"])
        if required := required_names(keywords):
            schema["required"] = sorted(required)
    extras = keywords.get("additionalProperties")
    if extras is None and keywords.get("type") == "object" and "properties" not in schema:
        extras = True  # or generators take it for one that is always empty
    if extras is not None:
        schema["additionalProperties"] = extras if isinstance(extras, bool) else schema_of(extras)
    return schema


def _shapes_of(keywords: Mapping[str, Any], from_text: bool) -> dict[str, Any]:
    """Return ``oneOf`` or ``anyOf``; null is a shape of its own there."""
    for key in ("oneOf", "anyOf"):
        if key in keywords:
            shapes = [schema_of(shape, from_text=from_text) for shape in keywords[key]]
            if keywords.get("nullable") and not from_text:
                shapes.append({"type": "null"})
            return {key: shapes}
    return {}


def required_names(keywords: Mapping[str, Any]) -> set[str]:
    """Return the properties that must be there: listed, or each with its own ``required``."""
    names: set[str] = set()
    if isinstance(keywords.get("required"), list):
        names.update(keywords["required"])
    properties = keywords.get("properties", {})
    return names | {name for name, inner in properties.items() if inner.get("required") is True}


def object_of(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the schema of named values as one object; what is not declared is an error."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: schema_of(keywords) for name, keywords in declared.items()},
        "additionalProperties": False,
    }
    required = [name for name, keywords in declared.items() if keywords.get("required") is True]
    if required:
        schema["required"] = required
    return schema


def sample(keywords: Mapping[str, Any]) -> Any:
    """Return the declared example, default or first allowed value, else one made for the type."""
    for key in ("example", "default"):
        if key in keywords:
            return keywords[key]
    if "enum" in keywords:
        return keywords["enum"][0]
    for key in ("oneOf", "anyOf"):
        if key in keywords:
            return sample(keywords[key][0])
    kind = keywords["type"]
    if kind == "string":
        text = _BY_FORMAT.get(keywords.get("format", ""), _BY_TYPE["string"])
        return text.ljust(min(keywords.get("minLength", 0), MAX_SAMPLE_SIZE), "x")[
            : keywords.get("maxLength")
        ]
    if kind in ("integer", "number"):
        return _number(keywords)
    if kind == "array" and keywords.get("minItems"):
        return [sample(keywords.get("items", {"type": "string"}))] * min(
            keywords["minItems"], MAX_SAMPLE_SIZE
        )
    if kind == "object" and keywords.get("properties"):
        required = required_names(keywords)
        properties = keywords["properties"].items()
        return {name: sample(inner) for name, inner in properties if name in required}
    return _BY_TYPE[kind]


def _number(keywords: Mapping[str, Any]) -> Any:
    """Return 1 or 1.5 where that is allowed, else the nearer end."""
    low = keywords.get("minimum")
    high = keywords.get("maximum")
    value = _BY_TYPE[keywords["type"]]
    if low is not None and value < low:
        return low
    return high if high is not None and value > high else value
