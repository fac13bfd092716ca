"""What methods answer, in the OpenAPI file: by name, so that generated clients have a type each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api.openapi.calls import ANY_ANSWER, answer_name
from api.openapi.components import ANY_DATA, NEXT, success
from api.openapi.values import required_names, schema_of
from gateway.catalog.model import Catalog, Method

_INNER = frozenset({"items", "properties", "required", "additionalProperties"})
_SHAPES = ("oneOf", "anyOf")


def answer_schemas(catalog: Catalog) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and schema of the envelope of each method that is not as all others."""
    for method in catalog.methods():
        name = answer_name(method)
        if name == ANY_ANSWER:
            continue
        envelope = success(_data(method))
        if method.paginate:
            envelope["properties"]["next"] = NEXT
        yield name, envelope


def _data(method: Method) -> dict[str, Any]:
    """Return the schema of what a method answers; of all pages it is the list that one page has."""
    if method.returns is None:
        return ANY_DATA
    page = answer_schema(method.returns)
    place = method.paginate.items if method.paginate else ""
    if not place:
        return page
    items: Mapping[str, Any] = method.returns
    for name in place.split("."):
        items = items.get("properties", {}).get(name, {})
    gathered = {"type": "array", "description": "The items of all pages (`X-Paginate`)."}
    if items.get("type") == "array":
        gathered = {**answer_schema(items), **gathered}
    return {"anyOf": [page, gathered]}


def answer_schema(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that a service answers: it may have other fields besides."""
    schema = schema_of({key: value for key, value in keywords.items() if key not in _INNER})
    for key in _SHAPES:
        if key in keywords:
            schema[key] = [answer_schema(shape) for shape in keywords[key]]
            if keywords.get("nullable"):
                schema[key].append({"type": "null"})
    for key in ("items", "additionalProperties"):
        if isinstance(keywords.get(key), Mapping):
            schema[key] = answer_schema(keywords[key])
    if keywords.get("additionalProperties") is False:
        schema["additionalProperties"] = False
    if properties := keywords.get("properties"):
        if "additionalProperties" not in keywords:
            schema.pop("additionalProperties", None)
        schema["properties"] = {name: answer_schema(inner) for name, inner in properties.items()}
    if required := required_names(keywords):
        schema["required"] = sorted(required)
    return schema
