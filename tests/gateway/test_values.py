"""Values: equal by what they hold, copied rather than changed."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.messages import Call, Caller, Result
from gateway.values import value


@value
class Point:
    x: int
    y: int = 0


def test_values_that_hold_the_same_are_one_key() -> None:
    assert {Point(1): "a"}[Point(1, 0)] == "a"
    assert Point(1) != Point(2)


def test_a_value_has_the_fields_it_declares_and_no_others() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 2  # type: ignore[attr-defined]
    assert dataclasses.replace(Point(1), y=2) == Point(1, 2)


def test_a_copied_call_differs_in_its_parameters_and_its_deadline_alone() -> None:
    changes = {"params": {"a": 2}, "deadline": 7.0}
    marks = {field.name: object() for field in dataclasses.fields(Call)}
    call = Call(**marks)  # type: ignore[arg-type]
    copy = call.copy_with({"a": 2}, 7.0)
    assert {name: getattr(copy, name) for name in marks} == marks | changes
    assert {name: getattr(call, name) for name in marks} == marks


def test_results_and_callers_say_what_they_hold() -> None:
    assert repr(Result(1)) == "Result(data=1, extras=Extras(headers=(), page=None))"
    assert Caller("user:7") == Caller("user:7", "user")
