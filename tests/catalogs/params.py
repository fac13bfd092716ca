"""Parameters made from their declarations, and values for a catalog's variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.catalog.model import Method
from sandbox.keys import MERCHANT_PRIVATE_KEY, VENDOR_PUBLIC_KEY
from tests.catalogs.vendor import variables

BY_FORMAT = {
    "date": "2026-11-21",
    "date-time": "2026-11-21T03:40:00Z",
    "email": "ann@example.com",
    "uri": "https://example.com/a",
    "uuid": "6b0bdb9c-3c5e-4a57-9a83-5f4c2a1f7e11",
}


def make_env(text: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return a value for every variable that a catalog's text names: a PEM key for those of keys,
    else a text that may stand in a host's name.
    """
    values = {}
    for name in variables(text):
        values[name] = name.lower().replace("_", "-")
        if name.endswith("PRIVATE_KEY"):
            values[name] = MERCHANT_PRIVATE_KEY
        elif name.endswith("PUBLIC_KEY"):
            values[name] = VENDOR_PUBLIC_KEY
    return values | dict(env)


def make_params(method: Method) -> dict[str, Any]:
    """Return a value for every parameter of a method."""
    return {param.name: make_value(param.keywords) for param in method.params}


def make_value(keywords: Mapping[str, Any]) -> Any:
    """Return a value that fits the keywords; where there is a ``pattern``, they have an
    ``example``.
    """
    for key in ("example", "default"):
        if key in keywords:
            return keywords[key]
    if "enum" in keywords:
        return keywords["enum"][0]
    kind = keywords["type"]
    if kind == "string":
        assert "pattern" not in keywords, f"give an example beside the pattern: {keywords}"
        text = BY_FORMAT.get(keywords.get("format", ""), "text")
        return text[: keywords.get("maxLength")].ljust(keywords.get("minLength", 0), "x")
    if kind in ("integer", "number"):
        return keywords.get("minimum", min(1, keywords.get("maximum", 1)))
    if kind == "boolean":
        return True
    if kind == "array":
        item = make_value(keywords.get("items", {"type": "string"}))
        return [item] * max(1, keywords.get("minItems", 1))
    return {name: make_value(inner) for name, inner in keywords.get("properties", {}).items()}
