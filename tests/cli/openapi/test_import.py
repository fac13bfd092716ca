"""``flask catalog import``: what a vendor's API description becomes."""

from __future__ import annotations

import copy
import io
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from cli.openapi import VARIABLE, SpecError, import_spec
from config import Settings
from gateway.catalog.loader import load_catalog
from gateway.catalog.model import Catalog
from sandbox import Sandbox
from tests.openapi_samples import SAMPLES, github, kubernetes, newer, stripe
from tests.ports import free_port

pytestmark = pytest.mark.slow

Values = dict[str, Any]
HOSTILE: list[Any] = [
    None, [], {}, "", "${HOME}", "${file:/etc/passwd}", "a: b\n- c #", "\u2028x: y", "\ud800", "\x00\x85", "on", "12:30", "~",
    True, -1, 10**400, 1e300, 5e-324, float("nan"), "(", "(?P<a>" * 3, {"$ref": "#"}, {"$ref": "#/paths"}, {"$ref": "other.yaml"},
    ["null"], [None, 1, "x", {}], {"type": "object", "properties": {"a b": {}, "": {}, "${X}": {"type": "file"}}}, "x" * 300, "../..", "/a b?c#d",
]  # fmt: skip


def loaded(text: str) -> Catalog:
    """Checked, with a value for the variables that the import itself asks for, and for no other."""
    named = text.partition("Set in the environment or in .env: ")[2].partition("\n")[0].split(", ")
    return load_catalog(text, "imported", dict.fromkeys(filter(None, named), "dummy-value"))


def service_of(description: Mapping[str, Any], **options: Any) -> Values:
    """The one service, as it is written."""
    text = import_spec(json.dumps(description), **options)
    loaded(text)
    services: Values = yaml.safe_load(text)["services"]
    return dict(next(iter(services.values())))


def described(
    operation: Values | None = None, verb: str = "get", path: str = "/a", **more: Any
) -> Values:
    servers = [{"url": "https://a.example"}]
    return {
        "openapi": "3.0.3",
        "info": {"title": "A"},
        "servers": servers,
        "paths": {path: {verb: operation or {}}},
        **more,
    }


def one_method(operation: Values, verb: str = "get", path: str = "/a", **more: Any) -> Values:
    methods: Values = service_of(described(operation, verb, path, **more))["methods"]
    assert len(methods) == 1
    return dict(next(iter(methods.values())))


def body_params(schema: Values, media: str = "application/json", **more: Any) -> Values:
    operation = {"requestBody": {"required": True, "content": {media: {"schema": schema}}}}
    return dict(one_method(operation, "post", **more)["params"])


def query_param(schema: Values, **param: Any) -> Values:
    method = one_method({"parameters": [{"name": "q", "in": "query", "schema": schema, **param}]})
    return dict(method.get("params", {}))


@pytest.mark.parametrize("name", SAMPLES)
def test_five_hundred_operations_pass_the_check_within_ten_seconds(name: str) -> None:
    text, begun = SAMPLES[name](), time.process_time()
    catalog = loaded(import_spec(text))
    assert time.process_time() - begun < 10
    assert len(list(catalog.methods())) >= 500


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:8080", True), ("http://localhost/v1", True), ("https://10.1.2.3/x", True), ("http://[::1]:1", True),
        ("https://a.example", False), ("http://8.8.8.8", False), ("http://169.254.169.254", False), ("http://0.0.0.0", False),
    ],
)  # fmt: skip
def test_an_address_in_ones_own_network_is_allowed_and_no_other(url: str, private: bool) -> None:
    text = json.dumps({"openapi": "3.0.0", "servers": [{"url": url}], "paths": {"/a": {"get": {}}}})
    [service] = yaml.safe_load(import_spec(text))["services"].values()
    assert service.get("allow_private", False) is private


@pytest.mark.parametrize("watched", [True, False])
def test_who_watches_sees_how_far_it_is(monkeypatch: pytest.MonkeyPatch, watched: bool) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return watched

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    import_spec(json.dumps(github()))
    assert ("operations" in screen.getvalue() and "100%" in screen.getvalue()) is watched


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from _places(item, (*path, key))


@pytest.mark.parametrize("make", [github, stripe, kubernetes, newer])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_file_says_is_refused_or_passes_the_check_and_reads_no_variable(
    make: Callable[[], Values], seed: int
) -> None:
    whole = make()
    chance = random.Random(seed)
    loaded_count = 0
    for _ in range(25):
        small = {**whole, "paths": dict(chance.sample(sorted(whole["paths"].items()), 2))}
        mutant = copy.deepcopy(small)
        for path in chance.sample(list(_places(mutant)), 6):
            holder = mutant
            try:
                for key in path[:-1]:
                    holder = holder[key]
                if isinstance(holder, dict) and chance.random() < 0.2:
                    holder[str(chance.choice(HOSTILE))] = holder.pop(path[-1])
                else:
                    holder[path[-1]] = copy.deepcopy(chance.choice(HOSTILE))
            except (KeyError, IndexError, TypeError):
                continue  # an earlier change took it away
        try:
            text = import_spec(json.dumps(mutant))
        except SpecError:
            continue
        loaded_count += bool(loaded(text))
    assert loaded_count, "all were refused, so nothing was checked"


def test_a_file_that_says_everything_twice_at_every_level_ends() -> None:
    schemas = {
        f"s{n}": {"allOf": [{"$ref": f"#/components/schemas/s{n + 1}"}] * 2} for n in range(40)
    }
    begun = time.process_time()
    schemas["s40"] = {"type": "object"}
    operation = {
        "requestBody": {
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/s0"}}}
        }
    }
    with pytest.raises(SpecError, match="no operation"):
        import_spec(json.dumps(described(operation, "post", components={"schemas": schemas})))
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{" * 100_000, "a: " + "[" * 100_000, '{"a":' * 100_000]
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        import_spec(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a mapping"),
        ("a: [", "neither JSON nor YAML"),
        ("{}", "openapi: 3.0"),
        ('{"openapi": "4.0.0", "paths": {}}', "openapi: 3.0"),
        ('{"openapi": "3.0.0"}', "no paths"),
        ('{"openapi": "3.0.0", "paths": {"/a": {"get": {}}}}', "--base-url"),
        ('{"openapi": "3.0.0", "servers": [{"url": "/v1"}], "paths": {"/a": {"get": {}}}}', "'/v1'.*--base-url"),
        ('{"openapi": "3.0.0", "servers": [{"url": "https://a.example/${HOME}"}], "paths": {"/a": {"get": {}}}}', "--base-url"),
        ('{"openapi": "3.0.0", "servers": [{"url": "https://a.example"}], "paths": {}}', "no operation"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_says_why(text: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        import_spec(text)


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ({"operationId": "repos/list-forUser"}, "repos_list_for_user"),
        ({"operationId": "GetHTTPStatusV2"}, "get_http_status_v2"),
        ({"operationId": "列表"}, "get_a_id_b"),
        ({}, "get_a_id_b"),
        ({"operationId": "x" * 100}, "x" * 64),
    ],
)
def test_methods_are_named_by_operation_id_or_else_by_verb_and_path(
    operation: Values, name: str
) -> None:
    assert list(service_of(described(operation, path="/a/{id}/b"))["methods"]) == [name]


def test_a_name_given_twice_is_numbered() -> None:
    item = {verb: {"operationId": "do"} for verb in ("get", "post", "put")}
    assert list(service_of({**described(), "paths": {"/a": item}})["methods"]) == [
        "do",
        "do_2",
        "do_3",
    ]


def test_only_the_tags_asked_for_are_imported() -> None:
    text = import_spec(SAMPLES["kubernetes"](), ["batch_v1"])
    assert len(list(loaded(text).methods())) == 168
    with pytest.raises(SpecError, match="its tags are: apps_v1, batch_v1, core_v1"):
        import_spec(SAMPLES["kubernetes"](), ["batch"])


@pytest.mark.parametrize(
    ("schema", "keywords"),
    [
        ({"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a", "format": "email"}, {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a", "format": "email"}),
        ({"type": "integer", "minimum": 1, "maximum": 9, "example": 3}, {"type": "integer", "minimum": 1, "maximum": 9}),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, {"type": "integer", "minimum": 2}),
        ({"type": "integer", "exclusiveMaximum": 9}, {"type": "integer", "maximum": 8}),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
        ({"type": "integer", "default": 30}, {"type": "integer", "default": 30}),
        ({"type": "integer", "default": "thirty"}, {"type": "integer"}),
        ({"type": "string", "enum": [1, "on", None, True]}, {"type": "string", "enum": ["1", "on", "true"]}),
        ({"type": "integer", "enum": ["1"]}, {"type": "integer"}),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": "string", "nullable": True}, {"type": "string", "nullable": True}),
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"type": "string", "pattern": "("}, {"type": "string"}),
        ({"type": "string", "pattern": "${HOME}", "enum": ["${HOME}"], "default": "${HOME}"}, {"type": "string"}),
        ({"type": "string", "format": "int-or-string"}, {"type": "string"}),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1}, {"type": "array", "minItems": 1, "items": {"type": "integer"}}),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
        ({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["b"]}]}, {"type": "string", "enum": ["a", "b"]}),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, {"oneOf": [{"type": "integer"}, {"type": "string"}]}),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}, {"type": "integer"}, {"type": "null"}], "description": "It."}, {"nullable": True, "description": "It.", "anyOf": [{"type": "integer"}, {"type": "boolean"}]}),
        ({"type": ["integer", "string", "null"], "minimum": 1, "maxLength": 3}, {"nullable": True, "oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "maxLength": 3}]}),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, {"anyOf": [{"type": "integer"}, {"type": "number"}]}),
        ({"minimum": 1e22}, {"type": "number", "minimum": 1e22}),
        ({"type": "string", "description": "The ${HOME} of it.\nMore."}, {"type": "string", "description": "The $ {HOME} of it."}),
    ],
)  # fmt: skip
def test_a_schema_becomes_the_keywords_that_a_catalog_knows(
    schema: Values, keywords: Values
) -> None:
    assert query_param(schema) == {"q": keywords}


def test_all_of_is_merged_and_one_of_objects_lists_all_their_properties() -> None:
    text, number = {"type": "string"}, {"type": "integer"}
    base = {"type": "object", "required": ["a"], "properties": {"a": text}}
    schemas = {
        "base": base,
        "one": {"properties": {"b": text, "d": text}, "required": ["b", "d"]},
        "two": {"properties": {"c": number, "d": text}, "required": ["d"]},
    }
    whole = {
        "allOf": [{"$ref": "#/components/schemas/base"}],
        "oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("one", "two")],
    }
    result = body_params(whole, components={"schemas": schemas})
    assert result == {
        "a": {**text, "required": True},
        "b": text,
        "c": number,
        "d": {**text, "required": True},
    }


def test_a_property_that_several_shapes_have_takes_what_it_takes_in_any_of_them() -> None:
    text = {"type": "string"}
    parts = {"type": "array", "items": {"oneOf": [text, {"type": "integer"}]}}
    shapes = [
        {"role": {"type": "string", "enum": ["system"]}, "content": text},
        {"role": {"const": "user"}, "content": {"oneOf": [text, parts]}},
        {"role": {"const": "tool"}, "content": {**text, "description": "What came of it."}},
    ]
    objects = [{"type": "object", "properties": shape} for shape in shapes]
    assert body_params({"oneOf": objects}) == {
        "role": {"type": "string", "enum": ["system", "user", "tool"]},
        "content": {"anyOf": [text, parts]},
    }


def test_hundreds_of_shapes_are_united_in_time() -> None:
    shapes = [
        {
            "type": "object",
            "properties": {"kind": {"const": f"k{n}"}, "a": {"type": "string", "maxLength": n}},
        }
        for n in range(1000)
    ]
    begun = time.process_time()
    result = body_params({"oneOf": shapes})
    assert time.process_time() - begun < 10
    assert (len(result["kind"]["enum"]), result["a"]) == (1000, {"type": "string"})


def test_lists_of_several_kinds_are_one_of_all_of_them() -> None:
    text = {"type": "string"}
    number = {"type": "integer"}
    lists = [{"type": "array", "items": items} for items in (text, number)]
    result = body_params({"properties": {"input": {"oneOf": [text, *lists]}}})
    items = {"anyOf": [text, number]}
    assert result["input"] == {"oneOf": [text, {"type": "array", "items": items}]}


def test_of_shapes_that_may_be_null_the_whole_may() -> None:
    shapes = [{"type": ["string", "null"], "maxLength": 3}, {"type": "string", "maxLength": 5}]
    assert body_params({"properties": {"a": {"anyOf": shapes}}}) == {
        "a": {"type": "string", "nullable": True}
    }


def test_a_schema_inside_itself_ends_as_any_object() -> None:
    tree = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "child": {"$ref": "#/components/schemas/tree"}},
    }
    kind = {
        "oneOf": [{"$ref": "#/components/schemas/cat"}],
        "properties": {"name": {"type": "string"}},
    }
    cat = {
        "allOf": [
            {"$ref": "#/components/schemas/kind"},
            {"properties": {"claws": {"type": "integer"}}},
        ]
    }
    schemas = {"tree": tree, "kind": kind, "cat": cat}
    result = body_params(
        {
            "properties": {
                "tree": {"$ref": "#/components/schemas/tree"},
                "kind": {"$ref": "#/components/schemas/kind"},
            }
        },
        components={"schemas": schemas},
    )
    assert result["tree"] == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "child": {"type": "object"}},
    }
    assert result["kind"] == {
        "type": "object",
        "properties": {"claws": {"type": "integer"}, "name": {"type": "string"}},
    }


def test_what_only_answers_have_is_no_parameter() -> None:
    result = body_params(
        {
            "required": ["id"],
            "properties": {"id": {"type": "string", "readOnly": True}, "name": {"type": "string"}},
        }
    )
    assert result == {"name": {"type": "string"}}


@pytest.mark.parametrize(
    "schema", [{}, {"title": "V"}, True, {"nullable": True}, {"example": 3}, {"enum": [1, "a"]}]
)
def test_what_may_be_anything_takes_any_value(schema: Any) -> None:
    kinds = ("string", "number", "boolean", "array", "object")
    anything = {"nullable": True, "anyOf": [{"type": kind} for kind in kinds]}
    whole = {"required": ["value"], "properties": {"value": schema, "name": {"type": "string"}}}
    assert body_params(whole)["value"] == {"required": True, **anything}
    operation = {"requestBody": {"content": {"application/json": {"schema": whole}}}}
    text = import_spec(json.dumps(described(operation, "post")))
    assert ("Not carried over" in text) is ("enum" in str(schema))


@pytest.mark.parametrize("schema", [{}, {"title": "V"}, True, {"description": "It."}])
def test_a_parameter_outside_the_body_of_which_nothing_is_said_is_a_text(schema: Any) -> None:
    names = (("id", "path"), ("q", "query"), ("X-H", "header"))
    parameters = [{"name": name, "in": place, "schema": schema} for name, place in names]
    params = one_method({"parameters": parameters}, "get", "/a/{id}")["params"]
    assert [params[name]["type"] for name, _ in names] == ["string", "string", "string"]


@pytest.mark.parametrize(
    ("values", "keywords"),
    [
        ([None, "a"], {"type": "string", "enum": ["a"]}),
        ([1, 2.5], {"type": "number", "enum": [1, 2.5]}),
    ],
)
def test_values_without_a_type_say_theirs(values: list[Any], keywords: Values) -> None:
    assert query_param({"enum": values}) == {"q": keywords}


def test_a_default_in_a_body_is_not_sent_for_the_caller() -> None:
    result = body_params({"properties": {"private": {"type": "boolean", "default": False}}})
    assert result == {"private": {"type": "boolean"}}


def test_a_parameter_says_its_place_where_that_is_not_plain() -> None:
    parameters = [
        {"name": name, "in": place, "required": True, "schema": {"type": "string"}}
        for name, place in (
            ("id", "path"),
            ("q", "query"),
            ("X-Tenant", "header"),
            ("s", "cookie"),
            ("Authorization", "header"),
        )
    ]
    body = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "required": ["b"],
                    "properties": {"b": {"type": "string"}, "id": {"type": "string"}},
                }
            }
        },
    }
    result = one_method(
        {"parameters": parameters, "requestBody": body}, "post", "/a/{id}/{undeclared}"
    )
    assert result["params"] == {
        "id": {"type": "string"},
        "q": {"type": "string", "in": "query", "required": True},
        "X-Tenant": {"type": "string", "in": "header", "required": True},
        "undeclared": {"type": "string"},
        "b": {"type": "string", "required": True},
    }
    text = import_spec(
        json.dumps(described({"parameters": parameters, "requestBody": body}, "post", "/a/{id}"))
    )
    assert "# without cookie parameter s" in text
    assert "# without body parameter id: one in the path has that name" in text


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ({"explode": False}, {"explode": False}),
        ({"style": "pipeDelimited", "explode": False}, {"style": "pipeDelimited"}),
        ({"style": "spaceDelimited", "explode": True}, {}),
        ({}, {}),
        ({"style": "deepObject"}, {"array_format": "brackets"}),
        ({"allowReserved": True}, {}),
    ],
)
def test_a_list_is_written_as_the_file_says(param: Values, expected: Values) -> None:
    listed = {"type": "array", "items": {"type": "string"}}
    assert query_param(listed, **param) == {"q": {**listed, **expected}}


@pytest.mark.parametrize(
    "param", [{"style": "matrix"}, {"style": "form", "explode": False, "schema": {"type": "array"}}]
)
def test_a_list_that_cannot_be_written_so_is_a_text(param: Values) -> None:
    listed = {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}
    text = import_spec(
        json.dumps(
            described(
                {
                    "parameters": [
                        {
                            "name": "q",
                            "in": "query",
                            "schema": listed,
                            **param,
                        }
                    ]
                }
            )
        )
    )
    if "schema" not in param:
        assert "# one text in the vendor's own way" in text
    [service] = yaml.safe_load(text)["services"].values()
    [method] = service["methods"].values()
    assert method["params"]["q"]["type"] == ("array" if "schema" in param else "string")


def test_an_object_in_a_query_is_written_as_the_file_says() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    free = {"type": "object", "additionalProperties": {"type": "string"}}
    assert query_param(schema) == {"q": {**schema, "style": "form"}}
    assert query_param(schema, explode=False) == {
        "q": {**schema, "style": "form", "explode": False}
    }
    assert query_param(free) == {"q": {"type": "string"}}
    assert query_param(free, style="deepObject") == {"q": {**free, "style": "deepObject"}}


def test_a_list_or_a_text_that_stripe_writes_with_brackets_is_either() -> None:
    """Its ``discounts``: a list of objects, or an empty text that takes all of them away."""
    listed = {"type": "array", "items": {"type": "string"}}
    keywords = query_param(
        {"anyOf": [listed, {"type": "string", "enum": [""]}]}, style="deepObject"
    )
    assert keywords["q"]["array_format"] == "brackets"
    assert keywords["q"]["anyOf"][0] == listed


def test_a_path_parameter_of_several_segments_keeps_its_slashes() -> None:
    path = {
        "name": "path",
        "in": "path",
        "required": True,
        "x-multi-segment": True,
        "schema": {"type": "string"},
    }
    result = one_method({"parameters": [path]}, "get", "/contents/{path}")
    assert result["params"] == {"path": {"type": "string", "allowReserved": True}}


@pytest.mark.parametrize(
    ("schema", "name", "keywords"),
    [
        ({"type": "array", "items": {"type": "string"}}, "items", {"type": "array", "required": True, "items": {"type": "string"}}),
        ({"type": "string"}, "body", {"type": "string", "required": True}),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "body",
         {"type": "object", "required": True, "additionalProperties": {"type": "integer"}}),
        ({"type": "object", "additionalProperties": True}, "body", {"type": "object", "required": True}),
    ],
)  # fmt: skip
def test_a_body_that_is_no_object_of_names_is_one_parameter(
    schema: Values, name: str, keywords: Values
) -> None:
    body = {"content": {"application/json": {"schema": schema}}}
    result = one_method({"requestBody": body}, "post")
    assert (result["body_param"], result["params"]) == (name, {name: keywords})


def test_an_object_beside_whose_names_others_may_be_says_so() -> None:
    labels = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "additionalProperties": {"type": "integer"},
    }
    assert body_params({"properties": {"labels": labels}}) == {"labels": labels}


def test_a_form_of_deep_objects_is_written_with_brackets() -> None:
    line = {"type": "object", "properties": {"price": {"type": "string"}}}
    schema = {"type": "object", "properties": {"items": {"type": "array", "items": line}}}
    encoding = {"items": {"style": "deepObject", "explode": True}}
    content = {"application/x-www-form-urlencoded": {"schema": schema, "encoding": encoding}}
    result = one_method({"requestBody": {"content": content}}, "post")
    assert result["body"] == {
        "type": "form",
        "array_format": "indices",
        "object_format": "brackets",
    }
    assert result["params"] == {"items": {"type": "array", "items": line}}


def test_a_deep_object_is_one_object() -> None:
    schema = {
        "type": "object",
        "properties": {
            "gt": {"type": "integer"},
            "in": {"type": "object", "properties": {"x": {"type": "string"}}},
        },
    }
    assert query_param(schema, style="deepObject") == {"q": {**schema, "style": "deepObject"}}


@pytest.mark.parametrize(
    ("media", "settings"),
    [
        ("application/json", {}),
        ("application/vnd.a+json", {"headers": {"Content-Type": "application/vnd.a+json"}}),
        ("application/x-www-form-urlencoded", {"body": "form"}),
        ("multipart/form-data", {"body": "multipart"}),
        ("text/xml", {"body": "xml"}),
        ("image/png", {"body": "raw", "headers": {"Content-Type": "image/png"}}),
    ],
)  # fmt: skip
def test_the_body_is_written_as_the_vendor_reads_it(media: str, settings: Values) -> None:
    content = {media: {"schema": {"type": "object", "properties": {"a": {"type": "string"}}}}}
    result = one_method({"requestBody": {"content": content}}, "post")
    assert {key: result[key] for key in ("body", "headers") if key in result} == settings


@pytest.mark.parametrize(
    ("name", "body"), [("Order", {"type": "xml", "root": "Order"}), ("${HOME}", "xml")]
)
def test_an_xml_body_has_the_root_that_the_file_names(name: str, body: Any) -> None:
    schema = {"type": "object", "xml": {"name": name}, "properties": {"a": {"type": "string"}}}
    assert (
        one_method({"requestBody": {"content": {"application/xml": {"schema": schema}}}}, "post")[
            "body"
        ]
        == body
    )


@pytest.mark.parametrize(
    ("medias", "settings"),
    [
        (["application/json"], {}),
        (["application/xml"], {"response": "xml"}),
        (["text/csv"], {"response": "text"}),
        (["application/pdf"], {"response": "bytes"}),
        (["text/event-stream"], {"response": "text", "stream": True}),
        (["application/xml", "application/json"], {"headers": {"Accept": "application/json"}}),
        ([], {}),
    ],
)
def test_the_answer_is_read_as_the_vendor_writes_it(medias: list[str], settings: Values) -> None:
    result = one_method(
        {
            "responses": {
                "404": {"content": {"text/html": {}}},
                "201": {"content": {media: {} for media in medias}},
            }
        }
    )
    assert {
        key: result[key] for key in ("response", "headers", "stream") if key in result
    } == settings


@pytest.mark.parametrize(
    ("scheme", "auth"),
    [
        ({"type": "http", "scheme": "Bearer"}, {"type": "bearer", "token": "${A_TOKEN}"}),
        ({"type": "http", "scheme": "basic"}, {"type": "basic", "username": "${A_USERNAME}", "password": "${A_PASSWORD}"}),
        ({"type": "apiKey", "in": "query", "name": "key"}, {"type": "api_key", "in": "query", "name": "key", "value": "${A_API_KEY}"}),
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, {"type": "api_key", "in": "header", "name": "X-Key", "value": "${A_API_KEY}"}),
        ({"type": "apiKey", "in": "cookie", "name": "sid"}, {"type": "none"}),
        ({"type": "oauth2", "flows": {"implicit": {}}}, {"type": "bearer", "token": "${A_TOKEN}"}),
        ({"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/token", "scopes": {"r": "", "w": ""}}}},
         {"type": "oauth2_client_credentials", "client_id": "${A_CLIENT_ID}", "client_secret": "${A_CLIENT_SECRET}", "token_url": "https://a.example/token", "scope": "r w"}),
    ],
)  # fmt: skip
def test_the_credential_is_the_file_s_scheme_with_variables_for_secrets(
    scheme: Values, auth: Values
) -> None:
    result = service_of(
        described(security=[{"s": []}], components={"securitySchemes": {"s": scheme}})
    )
    assert result["auth"] == auth


def test_a_parameter_that_the_credential_fills_is_not_the_caller_s() -> None:
    scheme = {"type": "apiKey", "in": "query", "name": "key"}
    operation = {
        "parameters": [
            {"name": "key", "in": "query", "required": True, "schema": {"type": "string"}}
        ]
    }
    assert "params" not in one_method(
        operation, security=[{"s": []}], components={"securitySchemes": {"s": scheme}}
    )


def test_an_idempotency_key_is_the_gateway_s_and_a_password_is_masked() -> None:
    key = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}
    password = {"name": "pin", "in": "query", "schema": {"type": "string", "format": "password"}}
    result = one_method({"parameters": [key, password]}, "post")
    assert result["idempotency_header"] == "Idempotency-Key"
    assert (result["mask"], list(result["params"])) == (["pin"], ["pin"])


def test_what_is_left_out_or_deprecated_is_said_in_comments() -> None:
    array = {"requestBody": {"content": {"text/xml": {"schema": {"type": "array"}}}}}
    paths = {
        "/a": {
            "get": {
                "deprecated": True,
                "parameters": [
                    {"name": "q", "in": "query", "schema": {"type": "number", "multipleOf": 2}}
                ],
            },
            "post": array,
        },
        "/b": {"$ref": "b.yaml"},
        "/c": {"servers": [{}], "get": {}},
        "/d/{e": {"get": {}},
        "/f%": {"get": {}},
    }
    text = import_spec(json.dumps({**described(), "paths": paths}))
    for line in (
        "# Not carried over, and so not checked: multipleOf (1)",
        "# Left out: POST /a: its body is of type array",
        "# Left out: /b: b.yaml is another file; bundle them into one first",
        "# Left out: GET /c: at a server of its own",
        "# Left out: GET /d/{e: not a path that a method can have",
        "# Left out: GET /f%: not a path that a method can have",
        "# deprecated by the vendor",
    ):
        assert line in text


def test_swagger_2_forms_files_and_comma_lists() -> None:
    fields = [
        {"name": "photo", "in": "formData", "type": "file"},
        {"name": "note", "in": "formData", "type": "string", "required": True},
    ]
    listed = [{"name": "ids", "in": "query", "type": "array", "items": {"type": "integer"}}]
    result = service_of(
        {
            "swagger": "2.0",
            "info": {"title": "P"},
            "host": "p.example",
            "basePath": "/v2",
            "schemes": ["http", "https"],
            "paths": {"/pets": {"post": {"parameters": fields}, "get": {"parameters": listed}}},
        }
    )
    assert result["base_url"] == "https://p.example/v2"
    assert result["methods"]["post_pets"]["body"] == "multipart"
    assert result["methods"]["post_pets"]["params"] == {
        "photo": {"type": "object"},
        "note": {"type": "string", "required": True},
    }
    assert result["methods"]["get_pets"]["params"] == {
        "ids": {"type": "array", "items": {"type": "integer"}, "explode": False}
    }


@pytest.mark.parametrize(
    "file",
    [{"type": "string", "format": "binary"}, {"type": "string", "contentMediaType": "image/*"}],
)
def test_a_part_of_bytes_is_a_file_and_a_list_of_such_one_of_files(file: Values) -> None:
    parts = {"one": file, "more": {"type": "array", "items": file}}
    assert body_params({"properties": parts}, "multipart/form-data") == {
        "one": {"type": "object"},
        "more": {"type": "array", "items": {"type": "object"}},
    }


@pytest.mark.parametrize("media", ["*/*", "application/json", "application/octet-stream"])
def test_an_answer_of_bytes_is_not_read_as_json_whatever_its_type_is_called(media: str) -> None:
    content = {media: {"schema": {"type": "string", "format": "binary"}}}
    method = one_method({"responses": {"200": {"content": content}}})
    assert (method["response"], "returns" in method) == ("bytes", False)


@pytest.mark.parametrize(
    ("produces", "response"),
    [
        (None, "bytes"),
        (["application/json"], "bytes"),
        (["application/json", "application/pdf"], "bytes"),
        (["text/csv"], "text"),
    ],
)
def test_an_answer_that_is_a_file_in_swagger_2_is_not_read_as_json(
    produces: list[str] | None, response: str
) -> None:
    get = {"responses": {"200": {"schema": {"type": "file"}}}}
    description = {"swagger": "2.0", "info": {"title": "P"}, "host": "p.example"}
    if produces:
        description["produces"] = produces
    [method] = service_of({**description, "paths": {"/f": {"get": get}}})["methods"].values()
    assert (method["response"], "returns" in method) == (response, False)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (["github", "", "repos_create_issue", "owner=me", "repo=tools", "title=你好", 'labels=["a","b"]'], ("POST", "/repos/me/tools/issues", {}, {"title": "你好", "labels": ["a", "b"]})),
        (["stripe", "", "post_tax_teams", "amount=5", "currency=usd", 'address={"line1": "Main St"}', 'expand=["a", "b"]'], ("POST", "/v1/tax_teams", {}, "amount=5&currency=usd&expand%5B0%5D=a&expand%5B1%5D=b&address%5Bline1%5D=Main%20St")),
        (["kubernetes", "core_v1", "create_core_v1_namespaced_issue", "namespace=default", "dryRun=All", "kind=Issue", 'metadata={"name":"x"}'], ("POST", "/api/v1/namespaces/default/issues", {"dryRun": ["All"]}, {"kind": "Issue", "metadata": {"name": "x"}})),
    ],
)  # fmt: skip
def test_an_imported_method_is_called_through_the_gateway(
    make_app: Callable[[Settings], Flask],
    settings: Settings,
    tmp_path: Path,
    box: Sandbox,
    words: list[str],
    sent: Any,
) -> None:
    sample, tag, *words = words
    (tmp_path / "api.json").write_text(SAMPLES[sample]())
    file = tmp_path / "made.yaml"
    options = [
        "--name",
        "it",
        "--base-url",
        f"{box.url}/anything",
        "-o",
        str(file),
        *(["--tag", tag] if tag else []),
    ]
    runner = make_app(settings).test_cli_runner()
    done = runner.invoke(args=["catalog", "import", str(tmp_path / "api.json"), *options])
    assert done.exit_code == 0, done.output
    secrets = dict.fromkeys(VARIABLE.findall(file.read_text()), "secret-of-the-test")
    runner = make_app(replace(settings, catalog=str(file), environ=secrets)).test_cli_runner()
    done = runner.invoke(args=["catalog", "check"])
    assert f"ok, 1 service, {168 if tag else 500} methods" in done.output
    done = runner.invoke(args=["call", "it", *words])
    assert done.exit_code == 0, done.output
    echo = json.loads(done.stdout)["data"]
    body = echo["json"] if isinstance(sent[3], dict) else echo["body"]
    assert (echo["method"], echo["path"].removeprefix("/anything"), echo["query"], body) == sent
    assert echo["headers"]["authorization"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["none.json"], 2, "none.json"),
        (["api.json", "--name", "a b"], 2, "--name"),
        (["api.json", "--tag", "cats"], 1, "its tags are: none"),
        (["bytes.json"], 1, "not UTF-8"),
        (["api.json"], 0, "base_url: \"https://a.example\""),
    ],
)  # fmt: skip
def test_the_command_writes_to_stdout_or_says_what_is_wrong(
    app: Flask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "api.json").write_text(json.dumps(described()))
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\xff")
    done = app.test_cli_runner().invoke(args=["catalog", "import", *words])
    assert done.exit_code == code, done.output
    assert says in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(("path", "says"), [("/v1/chat/completions", True), ("/v1/orders", False)])
def test_an_imported_language_model_says_which_timeouts_it_needs(path: str, says: bool) -> None:
    operation = {"operationId": "ask", "responses": {"200": {"description": "ok"}}}
    servers = [{"url": "https://api.example.com"}]
    spec = {
        "openapi": "3.0.1",
        "info": {"title": "t", "version": "1"},
        "servers": servers,
        "paths": {path: {"post": operation}},
    }
    assert ("timeout: {read: 120}" in import_spec(json.dumps(spec))) is says
