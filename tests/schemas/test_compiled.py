"""What compiled functions load, and what they say of what is wrong, is what marshmallow loads and says."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from gateway.catalog.params.schema import BOUNDS, ParamSchema
from schemas.calls import BatchSchema, CallSchema, RecentArgs
from schemas.catalog.params import FORMATS, params_schema
from schemas.compiled import compile_schema
from schemas.documents import DocumentArgs, DocumentIn, FileArgs
from schemas.shop import OrderArgs, OrderIn, PayIn, ProductArgs, ProductIn, QuantityIn
from schemas.users import AppIn, LoginIn, UserArgs, UserChange, UserIn

NAMES = st.sampled_from(["a", "b", "load", "_c", "d-e", "中"])
TEXTS = st.sampled_from(
    ["", "a", "b", "ab", "5", "-0.5", "1.0", "1e3", "true", "False", "[1]", "a@b.example", "https://a.example/b",
     "00000000-0000-0000-0000-00000000000a", "2024-02-29", "2024-02-29T01:02:03Z", "aGk=", "a\n", "中文", "\ud800"]
)  # fmt: skip
NUMBERS = st.sampled_from([0, 1, 2, -1, 5, 2**70, 0.0, 1.0, 1.5, -0.0, float("nan"), float("inf")])
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=6,
)
SIZES = st.integers(0, 3)
LIMITS = st.sampled_from([-1, 0, 1, 1.5, 5])


def is_possible(declared: dict[str, Any]) -> bool:
    """Whether a catalog may say so: what it refuses is no parameter."""
    if declared.get("required") and "default" in declared:
        return False
    return all(
        declared.get(lower, -math.inf) <= declared.get(upper, math.inf) for lower, upper in BOUNDS
    )


def keywords(inner: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[dict[str, Any]]:
    """Any keywords that a catalog may have for a parameter: those for other types are allowed, too."""
    objects: dict[str, Any] = {}
    if inner is not None:
        objects = {
            "items": inner,
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "additionalProperties": st.booleans() | inner,
        }
    kinds = st.sampled_from(["string", "integer", "number", "boolean", "array", "object"])
    optional = {
        "required": st.booleans(), "nullable": st.booleans(), "default": VALUES,
        "enum": st.lists(VALUES.filter(lambda value: value is not None), min_size=1, max_size=4), "minimum": LIMITS, "maximum": LIMITS,
        "minLength": SIZES, "maxLength": SIZES, "minItems": SIZES, "maxItems": SIZES,
        "pattern": st.sampled_from(["a", "^a", "b$", "[0-9]+"]), "format": st.sampled_from(sorted(FORMATS)),
        **objects,
    }  # fmt: skip
    # Few at a time: of all of them at once nothing would be right.
    few = st.lists(st.sampled_from(sorted(optional)), max_size=3, unique=True)
    return few.flatmap(
        lambda names: st.fixed_dictionaries(
            {"type": kinds, **{name: optional[name] for name in names}}
        )
    ).filter(is_possible)


def shapes() -> st.SearchStrategy[dict[str, Any]]:
    """Any alternatives."""
    several = st.lists(keywords(keywords()), min_size=1, max_size=3)
    return st.one_of(
        [st.fixed_dictionaries({key: several}, optional={"nullable": st.booleans()}) for key in ("oneOf", "anyOf")]
    )  # fmt: skip


def required_by_name(declared: dict[str, Any], names: list[str]) -> dict[str, Any]:
    if declared.get("type") == "object" and names:
        return {**declared, "required": names}
    return declared


DECLARED = st.dictionaries(
    NAMES,
    st.builds(
        required_by_name,
        keywords(keywords(keywords()) | shapes()) | shapes(),
        st.lists(NAMES, max_size=2, unique=True),
    ),
    max_size=4,
)


def fitting(declared: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that are more often right than others are."""
    for key in ("oneOf", "anyOf"):
        if key in declared:
            return st.one_of([fitting(shape) for shape in declared[key]])
    likely: dict[str, st.SearchStrategy[Any]] = {
        "string": TEXTS, "integer": st.integers(-1, 6), "number": NUMBERS, "boolean": st.booleans(),
        "array": st.lists(fitting(declared["items"]) if "items" in declared else VALUES, max_size=3),
        "object": objects_of(declared.get("properties", {})),
    }  # fmt: skip
    choices = [likely[declared["type"]]] * 6 + [VALUES]
    if "enum" in declared:
        choices += [st.sampled_from(declared["enum"])] * 6
    return st.one_of(choices)


def objects_of(declared: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    values = {name: fitting(inner) for name, inner in declared.items()}
    right = st.fixed_dictionaries({}, optional=values) | st.fixed_dictionaries(values)
    return right | st.dictionaries(NAMES, VALUES, max_size=3)


def outcome(load: Any, data: Any) -> str:
    """Return the value, its types and its order, or the messages."""
    try:
        return repr(load(data))
    except ValidationError as error:
        return f"wrong: {error.messages!r}"


@settings(max_examples=600, derandomize=True, deadline=None)
@given(st.data(), DECLARED, st.booleans())
def test_params_are_loaded_as_marshmallow_does(
    data: st.DataObject, declared: dict[str, Any], from_text: bool
) -> None:
    schema = params_schema(declared, from_text=from_text)
    params = data.draw(objects_of(declared) | VALUES)
    load = compile_schema(schema)
    assert outcome(load, params) == outcome(schema.load, params)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(keywords(keywords() | shapes()) | shapes())
def test_the_keywords_of_these_tests_are_those_of_a_catalog(declared: dict[str, Any]) -> None:
    assert set(declared) <= {field.data_key or name for name, field in ParamSchema().fields.items()}
    ParamSchema().load(declared)


CALLS = st.fixed_dictionaries(
    {"service": TEXTS | LEAVES, "method": TEXTS},
    optional={"params": objects_of({}) | VALUES, "id": TEXTS | LEAVES, "optional": st.booleans() | LEAVES,
              "more": LEAVES},
)  # fmt: skip
GOOD = {"service": "s", "method": "m", "id": "1"}


@pytest.mark.parametrize("schema", [CallSchema(), BatchSchema()])
def test_a_call_and_a_batch_are_loaded_as_marshmallow_does(schema: Schema) -> None:
    load = compile_schema(schema)

    @settings(max_examples=200, derandomize=True, deadline=None)
    @given(CALLS | st.fixed_dictionaries({"calls": st.lists(CALLS, max_size=3)}) | VALUES)
    @example({"calls": [GOOD, {**GOOD, "params": {"a": 1}, "optional": True}]})
    @example({"calls": [GOOD] * 21})
    def check(data: Any) -> None:
        assert outcome(load, data) == outcome(schema.load, data)

    check()


@pytest.mark.parametrize(
    ("declared", "params"),
    [
        ({"p": {"type": "string"}}, {"p": "x"}),
        ({"p": {"type": "string", "nullable": True, "maxLength": 3}}, {"p": None}),
        ({"p": {"type": "number", "minimum": 1, "enum": [1.5]}}, {"p": 1.5}),
        ({"p": {"type": "integer", "default": 5}, "q": {"type": "string"}}, {}),
        ({"p": {"type": "array", "items": {"type": "integer"}, "minItems": 1}}, {"p": [1, 2.0]}),
        ({"p": {"type": "object", "properties": {"a": {"type": "string", "required": True}}}},
         {"p": {"a": "x"}}),
    ],
)  # fmt: skip
def test_what_is_right_is_loaded_without_marshmallows_load(
    declared: dict[str, Any], params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = params_schema(declared)
    expected = schema.load(params)
    load = compile_schema(schema)
    monkeypatch.setattr(Schema, "load", None)
    assert load(params) == expected


def test_a_dot_in_a_name_is_no_path() -> None:
    declared = {"user.fields": {"type": "string"}, "user": {"type": "string"}}
    params = {"user.fields": "a", "user": "b"}
    assert compile_schema(params_schema(declared))(params) == params


BODIES = (UserIn, LoginIn, AppIn, ProductIn, QuantityIn, OrderIn, PayIn, DocumentIn)
QUERIES = (UserArgs, ProductArgs, OrderArgs, DocumentArgs, FileArgs, RecentArgs)
PARTIAL = (UserChange(partial=True), ProductIn(partial=True))
WRITTEN = st.sampled_from(
    ["12.50", "1.555", "-0.00", "1e3", "NaN", "1_0", "9999999999.99", "9" * 50, "5", "5.0", "-1", "٣", "ann", "x@y.example",
     "a\0b", "\ud800", "user", "admin", "price", "-price", "id", "true", "s.m", "correct-horse-battery", "x" * 201, ""]
)  # fmt: skip


NUMBERS_SENT = st.sampled_from([0, 1, -1, 5, 2.0, 1.5, 2**31, 2**63, 12.555, 1e300])
LINES = st.fixed_dictionaries({"product_id": NUMBERS_SENT, "quantity": NUMBERS_SENT})
SENT = WRITTEN | NUMBERS_SENT | VALUES | st.lists(LINES | LEAVES, max_size=3)


def check_loads(schema: Schema, values: st.SearchStrategy[Any]) -> None:
    load = compile_schema(schema)
    fields_there = st.fixed_dictionaries({}, optional=dict.fromkeys(schema.load_fields, values))

    @settings(max_examples=400, derandomize=True, deadline=None)
    @given(fields_there | fields_there.map(lambda data: {**data, "more": "1"}))
    def check(data: Any) -> None:
        assert outcome(load, data) == outcome(schema.load, data)

    check()


@pytest.mark.parametrize(
    "schema", [*(kind() for kind in BODIES), *PARTIAL], ids=lambda schema: type(schema).__name__
)
def test_a_resource_is_loaded_as_marshmallow_does(schema: Schema) -> None:
    check_loads(schema, SENT)


@pytest.mark.parametrize("kind", QUERIES)
def test_a_lists_query_is_loaded_as_marshmallow_does(kind: type[Schema]) -> None:
    check_loads(kind(), WRITTEN)


def test_a_product_is_loaded_without_marshmallows_load(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {"name": "Tea", "price": "12.50", "stock": 5.0, "category": None}
    expected = ProductIn().load(sent)
    load = compile_schema(ProductIn())
    monkeypatch.setattr(Schema, "load", None)
    assert load(sent) == expected
