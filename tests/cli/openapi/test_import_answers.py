"""``flask catalog import``: types and headers of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from cli.openapi import import_spec
from gateway.catalog.loader import load_catalog

Values = dict[str, Any]
STRING = {"type": "string"}
INTEGER = {"type": "integer"}
ITEM = {"type": "object", "required": ["id"], "properties": {"id": INTEGER, "name": STRING}}


def method_of(responses: Values, **description: Any) -> Values:
    """The one method of a description, as it is written; the catalog passes the check."""
    description_text = {
        **({} if "swagger" in description else {"openapi": "3.1.0"}),
        "info": {"title": "A"},
        "servers": [{"url": "https://a.example"}],
        "paths": {"/a": {"get": {"operationId": "m", "responses": responses}}},
        **description,
    }
    text = import_spec(json.dumps(description_text))
    load_catalog(text, "imported", {})
    (service,) = yaml.safe_load(text)["services"].values()
    method: Values = service["methods"]["m"]
    return method


def answer(schema: Any, media: str = "application/json") -> Values:
    return {"content": {media: {"schema": schema}}}


def returns(schema: Any, **description: Any) -> Any:
    return method_of({"200": answer(schema)}, **description).get("returns")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (INTEGER, INTEGER),
        ({"type": "array", "items": ITEM},
         {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer", "required": True}, "name": STRING}}}),
        ({"type": ["string", "null"], "enum": ["a", "b", None], "maxLength": 3, "description": "x"},
         {"type": "string", "nullable": True, "enum": ["a", "b"]}),
        ({"type": "string", "format": "date-time", "pattern": "^2"}, {"type": "string", "format": "date-time"}),
        ({"type": ["string", "integer"]}, {"anyOf": [STRING, INTEGER]}),
        ({"oneOf": [STRING, {"type": "null"}]}, {"type": "string", "nullable": True}),
        ({"oneOf": [ITEM, {"type": "object", "properties": {"id": STRING}}]},
         {"anyOf": [{"type": "object", "properties": {"id": {"type": "integer", "required": True}, "name": STRING}},
                    {"type": "object", "properties": {"id": STRING}}]}),
        ({"allOf": [{"properties": {"a": STRING}}, {"properties": {"b": INTEGER}}]},
         {"type": "object", "properties": {"a": STRING, "b": INTEGER}}),
        ({"type": "object", "additionalProperties": INTEGER}, {"type": "object", "additionalProperties": INTEGER}),
        ({"type": "object", "additionalProperties": False}, {"type": "object"}),
        ({"properties": {"secret": {"type": "string", "writeOnly": True}, "made": {"type": "string", "readOnly": True}}},
         {"type": "object", "properties": {"made": STRING}}),
    ],
)  # fmt: skip
def test_what_an_answer_is_becomes_returns(schema: Any, expected: Any) -> None:
    assert returns(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [{}, True, {"description": "x"}, {"oneOf": [STRING, {}]}, {"type": ["string", "odd"]}],
)
def test_what_may_be_anything_has_no_type(schema: Any) -> None:
    assert returns(schema) is None
    inner = {"type": "object", "required": ["a"], "properties": {"a": schema, "b": INTEGER}}
    assert returns(inner) == {"type": "object", "properties": {"b": INTEGER}}
    assert returns({"type": "array", "items": schema}) == {"type": "array"}


def test_a_schema_inside_itself_ends() -> None:
    node = {"properties": {"id": INTEGER, "next": {"$ref": "#/components/schemas/Node"}}}
    keywords = returns(
        {"$ref": "#/components/schemas/Node"}, components={"schemas": {"Node": node}}
    )
    assert keywords == {"type": "object", "properties": {"id": INTEGER}}


def test_shapes_that_are_alike_once_they_are_cut_off_are_one() -> None:
    deep: Any = {"oneOf": [{"properties": {"a": STRING}}, {"properties": {"b": STRING}}]}
    for _ in range(2):
        deep = {"properties": {"inner": deep}}
    keywords = returns(deep)
    assert keywords["properties"]["inner"]["properties"]["inner"] == {"type": "object"}


def test_of_too_many_fields_the_deepest_are_left_out() -> None:
    wide = {"properties": {f"f{number}": ITEM for number in range(90)}}
    keywords = returns(wide)
    assert len(keywords["properties"]) == 90
    objects = [field for field in keywords["properties"].values() if "properties" in field]
    assert 0 < len(objects) < 90


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        ({"200": answer(INTEGER), "404": answer(STRING)}, INTEGER),
        ({"200": answer(INTEGER), "201": answer(INTEGER)}, INTEGER),
        ({"200": answer(INTEGER), "202": answer(STRING)}, {"anyOf": [INTEGER, STRING]}),
        ({"200": answer(INTEGER), "204": {"description": "none"}}, {**INTEGER, "nullable": True}),
        ({"default": answer(INTEGER)}, INTEGER),
        ({"204": {"description": "none"}}, None),
        ({"200": answer(ITEM, "application/xml")}, None),
        ({"200": answer(ITEM, "text/event-stream")}, None),
        ({"200": answer(INTEGER, "application/vnd.a+json; version=1")}, INTEGER),
    ],
)
def test_all_successes_count(responses: Values, expected: Any) -> None:
    assert method_of(responses).get("returns") == expected


def test_swagger_2_says_it_elsewhere() -> None:
    method = method_of(
        {"200": {"schema": {"$ref": "#/definitions/Item"}, "headers": {"X-Total": INTEGER}}},
        swagger="2.0",
        host="a.example",
        schemes=["https"],
        definitions={"Item": ITEM},
    )
    assert method["returns"]["properties"]["id"] == {"type": "integer", "required": True}
    assert method["response_headers"] == ["X-Total"]


def test_the_headers_of_successes_are_given_but_those_that_may_not_be() -> None:
    headers: Mapping[str, Any] = {"Link": {}, "Set-Cookie": {}, "X-Request-ID": {}, "a b": {}}
    method = method_of({
        "200": {"headers": headers},
        "201": {"headers": {"link": {}, "Location": {}}},
        "404": {"headers": {"X-Why": {}}},
    })  # fmt: skip
    assert method["response_headers"] == ["Link", "Location"]
