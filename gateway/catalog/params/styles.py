"""Checks of how parameters are written: ``style``, ``explode`` and the like fit place and type.

document.complain_of_all(check_styles(method), ("services", "s", "methods", "m"))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.catalog.model import Method, Param, kind_of
from gateway.catalog.yaml.document import Advice, Path_
from schemas.catalog.param_styles import is_exploded, list_separator

FORMAT_KEYS = ("array_format", "object_format")
STYLE_KEYS = ("style", "explode", "allowReserved", *FORMAT_KEYS)
Keywords = Mapping[str, Any]
#: Which key is wrong, and what to write instead.
Problem = tuple[str, str]


def check_styles(method: Method) -> Iterator[Advice]:
    """Yield where a parameter is written in a way that its place or its type does not allow."""
    is_form = kind_of(method.body) == "form"
    for param in method.params:
        place: Path_ = ("params", param.name)
        for key, message in style_problems(param, is_form=is_form):
            yield (*place, key), message
        for inner_path, keywords in _nested(param.keywords, place):
            for key in STYLE_KEYS:
                if key in keywords:
                    yield (*inner_path, key), "belongs to the parameter, not into a part of it"


def style_problems(param: Param, *, is_form: bool) -> Iterator[Problem]:
    """Yield what is wrong with how one parameter, maybe of ``body: form``, is to be written."""
    keywords = param.keywords
    pairs = param.place == "query" or (param.place == "body" and is_form)
    if param.place == "body" and not is_form:
        for key in STYLE_KEYS:
            if key in keywords:
                yield key, "belongs to in: query, path or header, or to body: form"
        return
    if "allowReserved" in keywords:
        yield from _reserved_problems(param)
    if pairs:
        yield from _pair_problems(keywords)
    else:
        yield from _text_problems(keywords)
    yield from _nested_problems(keywords)


def _reserved_problems(param: Param) -> Iterator[Problem]:
    if param.place not in ("path", "query"):
        yield "allowReserved", "belongs to in: path or in: query"
    elif param.place == "path" and param.keywords.get("type") != "string":
        yield "allowReserved", "in a path is for type: string"
    elif param.keywords.get("type") == "object":
        yield "allowReserved", "is not for type: object"


def _text_problems(keywords: Keywords) -> Iterator[Problem]:
    """Yield what is wrong in a path or a header."""
    if keywords.get("style", "simple") != "simple":
        yield "style", "must be simple in a path or a header"
    for key in FORMAT_KEYS:
        if key in keywords:
            yield key, "belongs to in: query or body: form; a list here is a,b (style: simple)"


def _pair_problems(keywords: Keywords) -> Iterator[Problem]:
    """Yield what is wrong in a query or a form."""
    style = keywords.get("style", "form")
    kind = keywords.get("type")
    if style == "simple":
        yield "style", "belongs to in: path or header; use form, with explode: false for a,b"
    if style == "deepObject" and kind != "object":
        yield "style", "is for type: object; for a list write array_format: brackets or indices"
    if style == "deepObject" and keywords.get("explode") is False:
        yield "explode", "must be true, or not there, with style: deepObject"
    if style in ("spaceDelimited", "pipeDelimited"):
        if kind != "array":
            yield "style", "is for type: array"
        if is_exploded(keywords):
            yield "explode", f"must be false, or not there, with style: {style}"
    # An exploded object's properties are parameters of their own, of which a caller makes up none.
    is_open = not keywords.get("properties") or keywords.get("additionalProperties")
    explodes = style == "form" and "style" in keywords and is_exploded(keywords)
    if kind == "object" and explodes and is_open:
        yield "style", "of an object needs properties and no additionalProperties; or deepObject"
    for key in FORMAT_KEYS:
        rivals = [other for other in ("style", "explode") if other in keywords]
        if key in keywords and rivals and (key, style) != ("array_format", "deepObject"):
            yield key, f"and {rivals[0]} both say how it is written; drop one"


def _nested_problems(keywords: Keywords) -> Iterator[Problem]:
    """Yield what cannot be written as one text: a list or an object inside of another."""
    kind = keywords.get("type")
    written_as_text = kind == "array" and list_separator(keywords) is not None
    if kind == "object":
        style = keywords.get("style", "form" if "explode" in keywords else None)
        written_as_text = style == "simple" or (style == "form" and not is_exploded(keywords))
    if not written_as_text:
        return
    parts = [keywords["items"]] if "items" in keywords else []
    parts += keywords.get("properties", {}).values()
    if any(part.get("type") in ("array", "object", None) for part in parts):
        key = next(key for key in STYLE_KEYS if key in keywords)
        yield key, "makes one text of it, which can hold no list or object inside"


def _nested(keywords: Keywords, path: Path_) -> Iterator[tuple[Path_, Keywords]]:
    """Yield every schema inside of one, with the keys that lead to it."""
    inner: list[tuple[Path_, Any]] = [
        (("items",), keywords.get("items")),
        (("additionalProperties",), keywords.get("additionalProperties")),
    ]
    inner += [
        (("properties", name), value) for name, value in keywords.get("properties", {}).items()
    ]
    for key in ("oneOf", "anyOf"):
        inner += [((key, place), value) for place, value in enumerate(keywords.get(key, ()))]
    for keys, value in inner:
        if isinstance(value, Mapping):
            yield (*path, *keys), value
            yield from _nested(value, (*path, *keys))
