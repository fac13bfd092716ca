"""JSON in and out, and a value as text."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from gateway.bodies.json_steps import SteppedDecoder
from gateway.clock import Pause, SystemClock
from gateway.errors import BadResponse
from gateway.masking import Secret
from schemas.numbers import ExactNumber, dump_exactly, read_number

LARGE_CHARACTERS = 65_536  # from which on JSON is parsed in steps: one scan would take milliseconds
MAX_DEPTH = 64  # levels of nesting a caller's JSON may have

MISSING = object()
OBJECTS = dict, Mapping  # in this order: what is a dict takes no look at an abstract class
_PLACE = re.compile(r"-?[0-9]{1,9}")


def find_value(value: Any, path: Iterable[str]) -> Any:
    """Return what stands at a path of keys and places (``-1``: the last), or ``MISSING``."""
    for key in path:
        if isinstance(value, OBJECTS) and key in value:
            value = value[key]
        elif isinstance(value, list) and _has_place(value, key):
            value = value[int(key)]
        else:
            return MISSING
    return value


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each scalar within a JSON value, after the keys and places that lead to it."""
    if isinstance(value, OBJECTS):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, place))
    else:
        yield path, value


def _has_place(items: list[Any], key: str) -> bool:
    return bool(_PLACE.fullmatch(key)) and -len(items) <= int(key) < len(items)


def dump_json(value: object) -> bytes:
    """Write compact UTF-8 JSON, numbers with all their digits.

    :raises BadResponse: it is nested some hundreds of levels deep.
    """
    try:
        return orjson.dumps(value, default=_plain)
    except TypeError:  # also of integers over 64 bits, and of lone surrogates
        return _dump_exactly(value)


def _dump_exactly(value: object) -> bytes:
    try:
        text = dump_exactly(value, _plain, separators=(",", ":"))
    except RecursionError as error:  # only a service's reply is so deep; callers' are bounded
        raise BadResponse(detail="nested too deeply to be passed on") from error
    return text.encode()


def _plain(value: object) -> object:
    if isinstance(value, ExactNumber):
        return orjson.Fragment(value.digits)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()  # as orjson has it
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def digest(value: object) -> str:
    """Return the SHA-256 in hex of a JSON value, keys in any order, a ``Secret`` as its text."""
    return hashlib.sha256(_encode_sorted(value).encode()).hexdigest()


def _reveal(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, ExactNumber):
        return {"\ud800": value.digits}  # no text that reads the same, and no caller's object
    return _plain(value)


_encode_sorted = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_reveal).encode


def load_json(body: bytes, *, strict: bool = False) -> Any:
    """Parse JSON (RFC 8259): UTF-8 only, no NaN or Infinity; integers of at most 4300 digits.

    A number that a float would change is an ``ExactNumber``.

    :param strict: for callers' bodies: also refuse numbers that only fit as infinity, duplicate
        keys, lone surrogates and nesting over 64 levels.
    :raises ValueError: with a short reason, never a part of the body.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    text = text.removeprefix("\ufeff")
    decoder = _STRICT if strict else _LOOSE
    try:
        if len(text) < LARGE_CHARACTERS:
            value = decoder.decode(text)
        else:
            value = SteppedDecoder(text, decoder, Pause(SystemClock()), unique=strict).decode()
    except RecursionError as error:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from error
    except json.JSONDecodeError as error:
        raise ValueError(
            f"not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from error
    except ValueError as error:
        if "int_max_str_digits" in str(error):  # Python's own words
            raise ValueError("a number has too many digits") from error
        raise
    if strict:
        _check_depth(body, value)
        if "\\u" in text and _has_surrogate(value):
            raise ValueError("a lone surrogate is not text")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _read_finite(digits: str) -> float | ExactNumber:
    number = read_number(digits)
    if type(number) is ExactNumber and math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("the same key is given twice in one object")
    return members


_LOOSE = json.JSONDecoder(parse_constant=_no_constant, parse_float=read_number)
_STRICT = json.JSONDecoder(
    parse_constant=_no_constant, parse_float=_read_finite, object_pairs_hook=_no_duplicates
)


def _check_depth(body: bytes, value: object) -> None:
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return
        level = [member for container in containers for member in _members(container)]
    raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _members(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _has_surrogate(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")  # numbers have none
    except UnicodeEncodeError:
        return True
    return False


def to_text(value: object) -> str:
    """Write a parameter as it stands in a URL, a header or a form: true, 1.5, text, JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return dump_json(value).decode()
