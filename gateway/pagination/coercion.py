"""What a service says of its next page, as the type that the parameter has.

coerce("integer", "12")  # 12
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from gateway.bodies import to_text
from gateway.bodies.json import MISSING
from schemas.numbers import ExactNumber


def whole_number(value: object) -> Any:
    number = to_number(value)
    if isinstance(number, float) and number.is_integer():
        return int(number)
    return number if isinstance(number, int) else MISSING


def to_number(value: object) -> Any:
    """Return a number, which may be written as text; ``MISSING`` for anything else."""
    if isinstance(value, str):
        value = _parse(value)
    if isinstance(value, bool):
        return MISSING
    if isinstance(value, int | ExactNumber) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return MISSING


def _parse(text: str) -> object:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return MISSING


def _text(value: object) -> Any:
    return MISSING if isinstance(value, dict | list) or value is None else to_text(value)


def _boolean(value: object) -> Any:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower(), MISSING)
    return value if isinstance(value, bool) else MISSING


#: By a parameter's type; each returns ``MISSING`` for what cannot be one.
_COERCIONS: Mapping[str, Callable[[object], Any]] = {
    "string": _text,
    "integer": whole_number,
    "number": to_number,
    "boolean": _boolean,
    "array": lambda value: value if isinstance(value, list) else MISSING,
    "object": lambda value: value if isinstance(value, dict) else MISSING,
}


def coerce(kind: str, value: object) -> Any:
    """Return a value as a type of JSON schema, "" for any; ``MISSING`` if it cannot be one."""
    return _COERCIONS[kind](value) if kind else value
