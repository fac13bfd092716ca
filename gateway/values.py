"""Values: dataclasses that nobody changes once they are made, at the cost of those one may change.

    @value
    class Point:
        x: int
        y: int = 0

``dataclass(frozen=True)`` has the interpreter refuse a change, by a call for each field whenever an
object is made; here the type checker refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Make a class a dataclass with slots, equal by its fields, that mypy takes for frozen."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
