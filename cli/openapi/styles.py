"""How a file's parameters are written, in a catalog's keys.

Styles(keywords, swagger=False).of_parameter({"explode": False}, "query", "array", schema)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.openapi.keywords import Keywords
from cli.openapi.merging import writable_properties

Values = Mapping[str, Any]
DELIMITED = ("spaceDelimited", "pipeDelimited")
#: By ``collectionFormat`` in a query.
SWAGGER_STYLES: Mapping[str, Values] = {
    "csv": {"explode": False},
    "ssv": {"style": "spaceDelimited"},
    "pipes": {"style": "pipeDelimited"},
    "multi": {},
}


class Styles:
    """Reads ``style``, ``explode`` and ``allowReserved``, or Swagger's ``collectionFormat``."""

    def __init__(self, keywords: Keywords, *, swagger: bool) -> None:
        self._keywords = keywords
        self._swagger = swagger

    def of_parameter(self, param: Values, place: str, kind: str, schema: Values) -> Values | None:
        """Return the keys that say how it is written; None where a catalog has none."""
        if kind not in ("array", "object"):
            return _reserved(param, place, kind)
        if self._swagger:
            return _swagger_style(param, place)
        default = "form" if place == "query" else "simple"
        style = param.get("style", default)
        explode = param.get("explode", style == "form") is not False
        if place != "query":
            return _text_style(style, kind, explode=explode)
        if kind == "array":
            return self._list_style(style, schema, explode=explode)
        return self._object_style(style, schema, explode=explode)

    def _list_style(self, style: object, schema: Values, *, explode: bool) -> Values | None:
        if style == "deepObject":
            return {"array_format": self._item_format(schema)}
        if style not in ("form", *DELIMITED):
            return None
        if explode:
            return {}
        return {"explode": False} if style == "form" else {"style": style}

    def _item_format(self, schema: Values) -> str:
        """Return the format that keeps the items apart: objects need their places."""
        kind, _ = self._keywords.flatten(schema.get("items"))
        return "indices" if kind in ("array", "object") and "items" in schema else "brackets"

    def _object_style(self, style: object, schema: Values, *, explode: bool) -> Values | None:
        if style == "form":
            return {"style": style} if explode else {"style": style, "explode": False}
        if style != "deepObject":
            return None
        kinds = [self._keywords.flatten(value) for value in writable_properties(schema).values()]
        for kind, inner in kinds:
            if kind == "array":
                return {"style": style, "array_format": self._item_format(inner)}
        return {"style": style}


def _reserved(param: Values, place: str, kind: str) -> Values:
    """Return the key for slashes, of which GitHub's file says ``x-multi-segment``."""
    keeps_slashes = param.get("allowReserved") is True or param.get("x-multi-segment") is True
    if keeps_slashes and (place == "query" or (place == "path" and kind == "string")):
        return {"allowReserved": True}
    return {}


def _swagger_style(param: Values, place: str) -> Values | None:
    """Return the keys of a list, which commas separate in a path and a header anyway."""
    written = str(param.get("collectionFormat", "csv"))
    if place == "query":
        return SWAGGER_STYLES.get(written)
    return {} if written == "csv" else None


def _text_style(style: object, kind: str, *, explode: bool) -> Values | None:
    if style != "simple":
        return None
    if kind == "array":
        return {}
    return {"style": style, "explode": True} if explode else {"style": style}
