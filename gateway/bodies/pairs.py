"""Parameters as ``name=value`` pairs of a query or a form, and as one text of a path or a header.

A declaration's ``style``, ``explode``, ``array_format`` and ``object_format`` say how, and are read
once, at load::

    write = pair_writer({"type": "array", "array_format": "brackets"})
    write("ids", [1, 2])  # [("ids[]", "1"), ("ids[]", "2")]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from gateway.bodies.json import to_text
from gateway.errors import fields_error
from schemas.catalog.param_styles import is_exploded, list_separator

Pairs = list[tuple[str, str]]
PairWriter = Callable[[str, object], Pairs]
Formats = Mapping[str, str]

#: How an item's name is made of its list's, by ``array_format``; places count from 0.
ITEM_NAMES: Mapping[str, Callable[[str, int], str]] = {
    "repeat": lambda name, place: name,
    "brackets": lambda name, place: f"{name}[]",
    "indices": lambda name, place: f"{name}[{place}]",
    "numbers": lambda name, place: f"{name}.{place + 1}",
}
#: How a property's name is made of its object's, by ``object_format``.
PROPERTY_NAMES: Mapping[str, Callable[[str, str], str]] = {
    "brackets": lambda name, key: f"{name}[{key}]",
    "dots": lambda name, key: f"{name}.{key}",
}
ARRAY_FORMATS = (*ITEM_NAMES, "comma")
OBJECT_FORMATS = ("json", *PROPERTY_NAMES)


def to_pairs(name: str, value: object) -> Pairs:
    """Return a parameter in a query or form; an array is the key repeated.

    OpenAPI calls that ``style: form, explode: true``.
    """
    if isinstance(value, list):
        return [(name, to_text(item)) for item in value]
    return [(name, to_text(value))]


def pair_writer(keywords: Mapping[str, Any], defaults: Formats | None = None) -> PairWriter:
    """Return what writes the values of one declared parameter.

    :param defaults: the body's own ``array_format`` and ``object_format``.
    """
    if separator := list_separator(keywords):
        return _delimited_writer(separator)
    style = keywords.get("style")
    if style == "form" and keywords.get("type") == "object":
        return _write_properties
    formats = {key: keywords[key] for key in ("array_format", "object_format") if key in keywords}
    if style == "deepObject":
        formats["object_format"] = "brackets"
    return nested_writer({**(defaults or {}), **formats})


def nested_writer(formats: Formats) -> PairWriter:
    """Return what writes lists and objects, however they are nested."""
    array_format = formats.get("array_format", "repeat")
    object_format = formats.get("object_format", "json")
    if (array_format, object_format) == ("repeat", "json"):
        return to_pairs
    property_name = PROPERTY_NAMES.get(object_format)
    item_name = ITEM_NAMES.get(array_format)

    def write(name: str, value: object) -> Pairs:
        if isinstance(value, Mapping) and property_name:
            named = [(property_name(name, key), inner) for key, inner in value.items()]
        elif isinstance(value, list) and item_name:
            named = [(item_name(name, place), item) for place, item in enumerate(value)]
        elif isinstance(value, list):
            return [(name, join_items(name, value, ","))] if value else []
        else:
            return [(name, to_text(value))]
        return [pair for inner_name, inner in named for pair in write(inner_name, inner)]

    return write


def _delimited_writer(separator: str) -> PairWriter:
    def write(name: str, value: object) -> Pairs:
        if isinstance(value, list | Mapping) and not value:
            return []
        return [(name, join_value(name, value, separator))]

    return write


def _write_properties(name: str, value: object) -> Pairs:
    """Write an object's properties as parameters of their own (``style: form`` with explode)."""
    if not isinstance(value, Mapping):
        return [(name, to_text(value))]
    return [pair for key, inner in value.items() for pair in to_pairs(key, inner)]


def text_writer(name: str, keywords: Mapping[str, Any]) -> Callable[[object], str]:
    """Return what writes the values of a parameter as one text (``style: simple``)."""
    if keywords.get("style") != "simple":
        return to_text
    return partial(join_value, name, separator=",", exploded=is_exploded(keywords))


def join_value(name: str, value: object, separator: str, *, exploded: bool = False) -> str:
    """Write a list's items, or an object's names and values, as one text.

    :param exploded: an object is ``name=value,name=value``.
    :raises InvalidParams: a part holds what separates them.
    """
    if isinstance(value, list):
        return join_items(name, value, separator)
    if not isinstance(value, Mapping):
        return to_text(value)
    if not exploded:
        return join_items(name, [part for pair in value.items() for part in pair], separator)
    pairs = [join_items(name, pair, "=") for pair in value.items()]
    return join_items(name, pairs, separator)


def join_items(name: str, items: Iterable[object], separator: str) -> str:
    """:raises InvalidParams: an item holds the separator, so it would be read as two."""
    texts = [to_text(item) for item in items]
    if any(separator in text for text in texts):
        raise fields_error(name, [f"An item holds {separator!r}, which separates items."])
    return separator.join(texts)
