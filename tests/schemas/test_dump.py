"""What is dumped by compiled functions is byte for byte what marshmallow dumps."""

from __future__ import annotations

from datetime import UTC
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields

from gateway.bodies import dump_json
from schemas.documents import DocumentOut, FileOut
from schemas.dump import entity_dumper, row_dumper
from schemas.fields import MAX_INTEGER, MAX_MONEY
from schemas.shop import OrderOut, ProductOut
from schemas.users import AppOut, UserOut

SCHEMAS = [schema() for schema in (UserOut, AppOut, ProductOut, OrderOut, DocumentOut, FileOut)]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
NUMBERS = st.integers(-MAX_INTEGER, MAX_INTEGER)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.integers() | TEXTS | st.floats(allow_nan=False, allow_infinity=False),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=8,
)  # fmt: skip


def values(field: Any) -> st.SearchStrategy[Any]:
    """What a row may have in the field."""
    if isinstance(field, fields.List):
        return st.lists(values(field.inner), max_size=3)
    if isinstance(field, fields.Nested):
        return entities(field.schema)
    kinds = {
        fields.Decimal: st.decimals(0, MAX_MONEY, places=2),
        fields.Integer: NUMBERS,
        fields.Boolean: st.booleans(),
        fields.DateTime: st.datetimes(timezones=st.just(UTC)),
        fields.String: TEXTS,
        fields.Raw: JSON,
    }
    kind = next(kinds[base] for base in type(field).__mro__ if base in kinds)
    return kind | st.none() if field.allow_none else kind


def entities(schema: Schema) -> st.SearchStrategy[SimpleNamespace]:
    return st.builds(
        SimpleNamespace, **{name: values(field) for name, field in schema.fields.items()}
    )


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: type(schema).__name__)
def test_an_entity_is_dumped_as_marshmallow_does(schema: Schema) -> None:
    dump = entity_dumper(schema)

    @settings(max_examples=200, derandomize=True, deadline=None)
    @given(entities(schema))
    def check(entity: SimpleNamespace) -> None:
        assert dump_json(dump(entity)) == dump_json(schema.dump(entity))

    check()


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: type(schema).__name__)
def test_rows_that_begin_with_the_fields_are_dumped_as_marshmallow_does(schema: Schema) -> None:
    dump = row_dumper(schema)

    @settings(max_examples=100, derandomize=True, deadline=None)
    @given(st.lists(entities(schema), max_size=3))
    def check(rows: list[SimpleNamespace]) -> None:
        tuples = [(*vars(row).values(), "version") for row in rows]
        assert dump_json(dump(tuples)) == dump_json(schema.dump(rows, many=True))

    check()
