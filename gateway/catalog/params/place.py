"""Where a parameter goes in a request, and how, if nothing says so.

make_param("city", {"type": "string"}, "GET", "/v1/now").place  # "query"
"""

from __future__ import annotations

from typing import Any

from gateway.catalog.model import Param

IN_QUERY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


def make_param(name: str, keywords: dict[str, Any], verb: str, template: str) -> Param:
    place = keywords.get("in_") or usual_place(name, verb, template)
    required = keywords.get("required", False)
    if place == "path":
        required = "default" not in keywords
    filled = {**keywords, "required": required}
    nested = keywords.get("items", {}).get("type") in ("array", "object")
    if place in ("path", "header") and keywords.get("type") == "array" and not nested:
        filled.setdefault("style", "simple")  # as OpenAPI has it; nested ones are JSON
    return Param(name, place, filled)


def usual_place(name: str, verb: str, template: str) -> str:
    if f"{{{name}}}" in template:
        return "path"
    if verb in IN_QUERY:
        return "query"
    return "body"
