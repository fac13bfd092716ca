"""How OpenAPI's ``style`` and ``explode`` write lists: what stands between the items.

list_separator({"type": "array", "style": "form", "explode": False})  # ","
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: By ``style``, of a list that is one text.
SEPARATORS: Mapping[str, str] = {
    "form": ",",
    "simple": ",",
    "spaceDelimited": " ",
    "pipeDelimited": "|",
}
STYLES = (*SEPARATORS, "deepObject")


def is_exploded(keywords: Mapping[str, Any]) -> bool:
    """Return ``explode``, which is true of ``form`` alone unless it is written."""
    explode: bool = keywords.get("explode", keywords.get("style", "form") == "form")
    return explode


def list_separator(keywords: Mapping[str, Any]) -> str | None:
    """Return what separates the items of a list that is sent as one text; None of any other."""
    if keywords.get("array_format") == "comma":
        return ","
    style = keywords.get("style", "form")
    if style != "simple" and is_exploded(keywords):
        return None
    return SEPARATORS.get(style)
