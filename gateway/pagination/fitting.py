"""What a service says of its next page, as the type that the parameter has.

fit("integer", "12")  # 12
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from gateway.bodies import to_text
from gateway.bodies.json import MISSING
from schemas.numbers import ExactNumber


def whole_number(found: object) -> Any:
    number = to_number(found)
    if isinstance(number, float) and number.is_integer():
        return int(number)
    return number if isinstance(number, int) else MISSING


def to_number(found: object) -> Any:
    """Return a number, which may be written as text; ``MISSING`` for anything else."""
    if isinstance(found, str):
        found = _parse(found)
    if isinstance(found, bool):
        return MISSING
    if isinstance(found, int | ExactNumber) or (isinstance(found, float) and math.isfinite(found)):
        return found
    return MISSING


def _parse(text: str) -> object:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return MISSING


def _text(found: object) -> Any:
    return MISSING if isinstance(found, dict | list) or found is None else to_text(found)


def _boolean(found: object) -> Any:
    if isinstance(found, str):
        return {"true": True, "false": False}.get(found.lower(), MISSING)
    return found if isinstance(found, bool) else MISSING


def _list(found: object) -> Any:
    return found if isinstance(found, list) else MISSING


def _object(found: object) -> Any:
    return found if isinstance(found, dict) else MISSING


#: By a parameter's type; each returns ``MISSING`` for what cannot be one.
_FITTERS: Mapping[str, Callable[[object], Any]] = {
    "string": _text,
    "integer": whole_number,
    "number": to_number,
    "boolean": _boolean,
    "array": _list,
    "object": _object,
}


def fit(kind: str, found: object) -> Any:
    """Return a value as a type of JSON schema, "" for any; ``MISSING`` if it cannot be one."""
    convert = _FITTERS.get(kind)
    return found if convert is None else convert(found)
