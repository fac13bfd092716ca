"""One plain schema out of references, ``allOf``, ``oneOf`` and ``anyOf``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from cli.openapi.source import Spec, UnsayableError
from gateway.catalog.schema import TYPES

MOST_MERGED = 2000  # schemas that one is put together from
_HINTS = {
    "object": ("properties", "additionalProperties"),
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "multipleOf"),
}
_COMBINED = ("allOf", "oneOf", "anyOf")
Schema = Mapping[str, Any]
Refs = frozenset[str]


class Merger:
    """Follows and merges.

    :param lost: counts what is not carried over.
    """

    def __init__(self, spec: Spec, lost: Counter[str]) -> None:
        self.spec, self.lost, self._steps = spec, lost, 0

    def plain(self, schema: Any, refs: Refs = frozenset()) -> tuple[dict[str, Any], Refs]:
        """One schema without ``$ref``, ``allOf``, ``oneOf`` and ``anyOf``, and the references that led to it.

        :raises UnsayableError: it stands inside itself, or a reference leads nowhere.
        """
        self._steps = 0
        return self._merged(schema, refs)

    def _merged(self, schema: Any, refs: Refs) -> tuple[dict[str, Any], Refs]:
        self._steps += 1
        if self._steps > MOST_MERGED:
            raise UnsayableError("too many schemas merged into one")
        if not isinstance(schema, dict):
            return {}, refs
        if "$ref" in schema:
            ref = str(schema["$ref"])
            if ref in refs:
                raise UnsayableError(
                    f"{ref.rpartition('/')[2].rpartition('.')[2]} again, inside itself"
                )
            made, refs = self._merged(self.spec.target(ref), refs | {ref})
            return {**made, **{key: value for key, value in schema.items() if key != "$ref"}}, refs
        if not any(key in schema for key in _COMBINED):
            return schema, refs
        made = {key: value for key, value in schema.items() if key not in _COMBINED}
        parts = [self._part(part, refs) for part in listed(schema, "allOf")]
        for merged, _ in parts:
            made = _both(made, merged)
        if len(parts) == 1:
            refs = parts[0][1]
        for key in ("oneOf", "anyOf"):
            made, refs = self._chosen(made, listed(schema, key), refs)
        return made, refs

    def _part(self, schema: Any, refs: Refs) -> tuple[dict[str, Any], Refs]:
        """One of several; that leads back to the whole (a base class that lists its kinds) adds nothing."""
        if isinstance(schema, dict) and str(schema.get("$ref")) in refs:
            return {}, refs
        return self._merged(schema, refs)

    def _chosen(
        self, base: dict[str, Any], branches: list[Any], refs: Refs
    ) -> tuple[dict[str, Any], Refs]:
        """What all branches have in common; of different types the first."""
        plain: list[dict[str, Any]] = []
        led = refs
        for branch in branches:
            made, inner = self._part(branch, refs)
            if made.get("type") == "null" or made.get("enum") == [None]:
                base = {**base, "nullable": True}
            elif made.keys() - {"required", "not", "title", "description"}:
                plain.append(made)
                led = inner
            else:
                self.lost["oneOf or anyOf of required"] += 1
        if len(plain) < 2:
            return (_both(base, plain[0]) if plain else base), led
        kinds = list(dict.fromkeys(kind_of(each) for each in plain))
        same = [each for each in plain if kind_of(each) == kinds[0]]
        if len(kinds) > 1:
            base = {**base, "x-note": f"also: {', '.join(kinds[1:])}"}
        return _both(base, _common(kinds[0], same)), refs


def writable(schema: Schema) -> dict[str, Any]:
    """The properties that a request may have."""
    given = schema.get("properties")
    items = given.items() if isinstance(given, dict) else ()
    return {
        str(name): each
        for name, each in items
        if isinstance(each, dict) and not each.get("readOnly")
    }


def kind_of(schema: Schema) -> str:
    """As declared; else as the other keywords let guess, and ``object`` where they do not."""
    declared = schema.get("type")
    for each in declared if isinstance(declared, list) else [declared]:
        if each in TYPES:
            return str(each)
    if declared == "file":
        return "string"
    for kind, hints in _HINTS.items():
        if any(hint in schema for hint in hints):
            return kind
    values = schema.get("enum") or [schema.get("const")]
    kinds = {bool: "boolean", str: "string", int: "integer", float: "number"}
    return kinds.get(type(values[0]), "object") if isinstance(values, list) else "object"


def _both(one: Schema, other: Schema) -> dict[str, Any]:
    """Both must hold: properties and requirements of the two; of other keywords the first one's."""
    made = {**other, **one}
    if isinstance(one.get("properties"), dict) and isinstance(other.get("properties"), dict):
        made["properties"] = {**other["properties"], **one["properties"]}
    if "required" in one and "required" in other:
        made["required"] = [*listed(one, "required"), *listed(other, "required")]
    return made


def _common(kind: str, schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """What fits each of several schemas of one type."""
    made: dict[str, Any] = {"type": kind}
    if kind == "object":
        if all(isinstance(each.get("properties"), dict) for each in schemas):
            made["properties"] = {
                name: value
                for each in reversed(schemas)
                for name, value in each["properties"].items()
            }
        needed = [set(map(str, listed(each, "required"))) for each in schemas]
        made["required"] = sorted(set.intersection(*needed))
        made["x-note"] = f"one of {len(schemas)} shapes, whose properties are all listed"
        if any(each.get("additionalProperties") for each in schemas):
            made["additionalProperties"] = True
    elif all(isinstance(each.get("enum"), list) for each in schemas):
        made["enum"] = [value for each in schemas for value in each["enum"]]
    elif kind == "array":
        made["items"] = schemas[0].get("items", {})
    return made


def listed(schema: Schema, key: str) -> list[Any]:
    value = schema.get(key)
    return value if isinstance(value, list) else []
