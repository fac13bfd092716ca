"""What generators' extensions say of an operation's pages.

keys = EXTENSIONS["x-ms-pageable"]({"nextLinkName": "nextLink"}, params)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cli.openapi.source import list_in, mapping_in

Values = Mapping[str, Any]
Keys = dict[str, Any]


def _read_pageable(extension: Values, params: Mapping[str, Values]) -> Keys:
    """https://azure.github.io/autorest/extensions/#x-ms-pageable"""
    url = extension.get("nextLinkName")
    if not isinstance(url, str) or not any("skip" in name.lower() for name in params):
        return {}  # its links have a parameter that the file does not declare
    return {"by": "link", "url": url, "items": str(extension.get("itemName") or "value")}


def _read_speakeasy(extension: Values, params: Mapping[str, Values]) -> Keys:
    """https://www.speakeasy.com/docs/customize/runtime/pagination"""
    inputs = {
        str(entry.get("type")): entry["name"]
        for entry in list_in(extension, "inputs")
        if isinstance(entry, dict) and entry.get("name") in params
    }
    outputs = {key: _path(value) for key, value in mapping_in(extension, "outputs").items()}
    items = outputs.get("results") or ""
    cursor = outputs.get("nextCursor")
    if extension.get("type") == "cursor" and "cursor" in inputs and cursor:
        return {"by": "cursor", "cursor": cursor, "param": inputs["cursor"], "items": items}
    if extension.get("type") == "url" and outputs.get("nextUrl"):
        return {"by": "link", "url": outputs["nextUrl"], "items": items}
    if "page" in inputs:
        pages = outputs.get("numPages") or ""
        return {"by": "page", "param": inputs["page"], "total_pages": pages, "items": items}
    if "offset" in inputs:
        limit = inputs.get("limit", "")
        return {"by": "offset", "param": inputs["offset"], "limit": limit, "items": items}
    return {}


def _read_fern(extension: Values, params: Mapping[str, Values]) -> Keys:
    """https://buildwithfern.com/learn/api-definitions/openapi/extensions/pagination"""
    request = {key: _path(extension.get(key)) for key in ("cursor", "offset", "step")}
    response = {
        key: _path(extension.get(key))
        for key in ("next_cursor", "results", "has-next-page", "next_uri")
    }
    rest = {"more": response["has-next-page"], "items": response["results"]}
    cursor = response["next_cursor"]
    if request["cursor"] in params and cursor:
        return {"by": "cursor", "cursor": cursor, "param": request["cursor"], **rest}
    if response["next_uri"]:
        return {"by": "link", "url": response["next_uri"], "items": rest["items"]}
    if request["offset"] not in params:
        return {}
    if request["step"] in params:
        return {"by": "offset", "param": request["offset"], "limit": request["step"], **rest}
    return {"by": "page", "param": request["offset"], **rest}


#: By name; each returns keys of ``paginate``, empty ones where nothing is said.
EXTENSIONS: Mapping[str, Callable[[Values, Mapping[str, Values]], Keys]] = {
    "x-ms-pageable": _read_pageable,
    "x-speakeasy-pagination": _read_speakeasy,
    "x-fern-pagination": _read_fern,
}


def _path(expression: object) -> str:
    """Return ``$response.data[-1].id`` or ``$request.cursor`` as a dotted path or a name."""
    if not isinstance(expression, str):
        return ""
    path = re.sub(r"^\$(request|response)?\.?(body\.)?", "", expression)
    return re.sub(r"\[['\"]?([^\]'\":]+)['\"]?:?\]", r".\1", path).lstrip(".")
