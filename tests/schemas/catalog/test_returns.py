"""Answers compared with what ``returns`` declares."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.catalog.returns import MAX_CHECKED_ITEMS, compile_check
from schemas.numbers import ExactNumber

ID = {"type": "integer", "required": True}
ITEM = {
    "type": "object",
    "properties": {"id": ID, "name": {"type": "string", "nullable": True, "maxLength": 3}},
}
PAGE = {
    "type": "object",
    "required": ["items"],
    "properties": {"items": {"type": "array", "items": ITEM}, "total": {"type": "number"}},
}
MISSING = "Missing data for required field."


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"items": []}, ""),
        ({"items": [{"id": 1, "name": None, "new": [{}]}], "more": {"a": 1}}, ""),
        ({"items": [{"id": 12345678901234567890123, "name": "abc"}], "total": 1.5}, ""),
        ({"items": [{"id": 1.0}], "total": ExactNumber("1.50")}, ""),
        ({"items": [{"id": ExactNumber("1e2")}]}, ""),
        ({"items": [{"id": ExactNumber("1.50")}]}, ".items.0.id: Not a valid integer."),
        ({}, f".items: {MISSING}"),
        ({"items": None}, ".items: Field may not be null."),
        ({"items": [{"id": 1}, {"id": 2}, {"id": 3}, {"id": "4"}]}, ".items.3.id: Not a valid integer."),
        ({"items": [{"name": "a"}]}, f".items.0.id: {MISSING}"),
        ({"items": [{"id": True}]}, ".items.0.id: Not a valid integer."),
        ({"items": [{"id": 1.5}]}, ".items.0.id: Not a valid integer."),
        ({"items": [{"id": 1, "name": "abcd"}]}, ".items.0.name: Longer than maximum length 3."),
        ({"items": {}}, ".items: Not a valid list."),
        ({"items": [], "total": False}, ".total: Not a valid number."),
        ([], ": Not a valid object."),
        (None, ": Field may not be null."),
        ("secret-value", ": Not a valid object."),
    ],
)  # fmt: skip
def test_the_first_thing_that_is_wrong_is_told_with_its_place(value: Any, problem: str) -> None:
    assert compile_check(PAGE)(value) == problem


@pytest.mark.parametrize(
    ("keywords", "right", "wrong"),
    [
        ({"type": "string", "enum": ["a", "b"]}, "a", "c"),
        ({"type": "boolean"}, False, 0),
        ({"type": "string", "format": "date"}, "2026-11-21", "yesterday"),
        ({"type": "integer", "minimum": 1}, 1, 0),
        ({"type": "array", "minItems": 1}, [None], []),
        ({"type": "object"}, {"a": 1}, []),
        ({"oneOf": [{"type": "string"}, ITEM]}, {"id": 1}, {"id": "1"}),
        ({"oneOf": [{"type": "object"}, ITEM]}, {"id": 1}, 1),
        ({"oneOf": [{"type": "string"}], "nullable": True}, None, 1),
        ({"anyOf": [{"type": "string", "nullable": True}, ITEM]}, None, 1),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}, {"a": "1"}),
        ({**ITEM, "additionalProperties": False}, {"id": 1}, {"id": 1, "other": 2}),
    ],
)
def test_the_words_mean_what_they_mean_of_parameters(keywords: Any, right: Any, wrong: Any) -> None:
    check = compile_check(keywords)
    assert check(right) == ""
    assert check(wrong)
    assert "other" not in check(wrong)


def test_of_a_long_list_the_first_items_are_looked_at() -> None:
    check = compile_check({"type": "array", "items": {"type": "integer"}})
    assert check([1] * MAX_CHECKED_ITEMS + ["x"]) == ""
    assert check([1] * (MAX_CHECKED_ITEMS - 1) + ["x"])
