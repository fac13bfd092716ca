"""``returns`` as a catalog has it: the same by the short way and by the long one."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from gateway.catalog.loader import CatalogError, load_catalog
from gateway.catalog.params.schema import ParamSchema

STRING = {"type": "string"}
PARTS: list[dict[str, Any]] = [
    {"required": True}, {"required": "yes"}, {"required": ["a"]}, {"nullable": 1}, {"nullable": True},
    {"format": "date"}, {"format": "odd"}, {"format": []}, {"enum": []}, {"enum": [None]}, {"enum": ["a"]},
    {"items": STRING}, {"items": {}}, {"items": []}, {"properties": {"a": STRING}}, {"properties": {"a b": STRING}},
    {"properties": {"a": {"type": "odd"}}}, {"properties": []}, {"additionalProperties": STRING},
    {"additionalProperties": True}, {"additionalProperties": 1}, {"anyOf": [STRING]}, {"anyOf": []}, {"anyOf": [{}]},
    {"unknown": 1}, {"maxLength": 3}, {"description": "x"}, {"type": ["string"]},
]  # fmt: skip


def returns_of(*schemas: Any) -> list[Any]:
    """What methods return, as one catalog has it.

    :raises CatalogError: it is refused.
    """
    methods = {f"m{place}": {"http": "GET /", "returns": one} for place, one in enumerate(schemas)}
    services = {"s": {"base_url": "https://a.example", "methods": methods}}
    catalog = load_catalog(json.dumps({"version": 1, "services": services}), "x", {})
    return [method.returns for method in catalog.methods()]


@pytest.mark.parametrize("base", [{}, {"type": "object"}, {"type": "array"}])
def test_what_is_taken_at_a_glance_is_what_the_checker_takes(base: dict[str, Any]) -> None:
    for part, other in product(PARTS, [{}, *PARTS]):
        schema = {"type": "object", "properties": {"p": {**base, **part, **other}}}
        wrong = bool(ParamSchema().validate(schema))
        try:
            (loaded,) = returns_of(schema)
        except CatalogError:
            assert wrong, schema
        else:
            assert not wrong, schema
            assert loaded == schema


def test_equal_parts_of_answers_are_kept_once() -> None:
    item = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "flag": {"type": "boolean"}},
    }
    one, other, third = returns_of(
        {"type": "array", "items": item}, {"item": item}, {"type": "array", "items": item}
    )
    assert one is third
    assert one["items"] is other["properties"]["item"]
    numbers, flags = returns_of(
        {"type": "integer", "enum": [1]}, {"type": "boolean", "enum": [True]}
    )
    assert (numbers["enum"], flags["enum"]) == ([1], [True])
    assert flags["enum"][0] is True
