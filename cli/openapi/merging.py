"""One plain schema out of references, ``allOf``, ``oneOf`` and ``anyOf``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from cli.openapi.source import Spec, UnsayableError, list_in, mapping_in, without
from gateway.catalog.params.schema import TYPES

MAX_MERGED_SCHEMAS = 2000  # that one is put together from
MAX_COMPARED_LEVELS = 4  # of schemas that may be the same
_TYPE_HINTS = {
    "object": ("properties", "additionalProperties"),
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "multipleOf"),
}
_PYTHON_TYPES = {bool: "boolean", str: "string", int: "integer", float: "number"}
_COMBINERS = ("allOf", "oneOf", "anyOf")
_WORDS = {"title", "description", "example", "examples", "default"}
_CONDITIONS_ONLY = {"required", "not", "title", "description"}
Schema = Mapping[str, Any]
Refs = frozenset[str]


class Merger:
    """Follows references and merges what they name.

    :param dropped: counts what is not carried over, by keyword.
    :param unites_shapes: shapes of one type become one schema, which takes what any of them takes.
    """

    def __init__(self, spec: Spec, dropped: Counter[str], *, unites_shapes: bool = True) -> None:
        self.spec = spec
        self.dropped = dropped
        self._unites_shapes = unites_shapes
        self._steps = 0

    def flatten(self, schema: Any, refs: Refs = frozenset()) -> tuple[dict[str, Any], Refs]:
        """Return one schema without ``$ref``, ``allOf``, ``oneOf`` and ``anyOf``, and the
        references that led to it.

        :raises UnsayableError: it stands inside itself, or a reference leads nowhere.
        """
        self._steps = 0
        return self._merge(schema, refs)

    def _merge(self, schema: Any, refs: Refs) -> tuple[dict[str, Any], Refs]:
        self._steps += 1
        if self._steps > MAX_MERGED_SCHEMAS:
            raise UnsayableError("too many schemas merged into one")
        if not isinstance(schema, dict):
            return {}, refs
        if "$ref" in schema:
            return self._merge_reference(schema, refs)
        if not any(key in schema for key in _COMBINERS):
            return schema, refs
        merged = without(schema, _COMBINERS)
        parts = [self._merge_part(part, refs) for part in list_in(schema, "allOf")]
        for part, _ in parts:
            merged = intersect(merged, part)
        if len(parts) == 1:
            refs = parts[0][1]
        for key in ("oneOf", "anyOf"):
            merged, refs = self._merge_branches(merged, key, list_in(schema, key), refs)
        return merged, refs

    def _merge_reference(self, schema: Schema, refs: Refs) -> tuple[dict[str, Any], Refs]:
        ref = str(schema["$ref"])
        if ref in refs:
            name = ref.rpartition("/")[2].rpartition(".")[2]
            raise UnsayableError(f"{name} again, inside itself")
        target, refs = self._merge(self.spec.target(ref), refs | {ref})
        return {**target, **without(schema, ("$ref",))}, refs

    def _merge_part(self, schema: Any, refs: Refs) -> tuple[dict[str, Any], Refs]:
        """Merge one of several; one that leads back to the whole, a base class, adds nothing."""
        if isinstance(schema, dict) and str(schema.get("$ref")) in refs:
            return {}, refs
        return self._merge(schema, refs)

    def _merge_branches(
        self, base: dict[str, Any], keyword: str, branches: list[Any], refs: Refs
    ) -> tuple[dict[str, Any], Refs]:
        """Add what all branches have in common; of several types the first, all as ``x-shapes``."""
        # Of an answer, a shape that says no type may be anything.
        may_be_anything = not self._unites_shapes and not declared_type(base)
        schemas: list[dict[str, Any]] = []
        refs_of_last = refs
        for branch in branches:
            schema, branch_refs = self._merge_part(branch, refs)
            if schema.get("type") == "null" or schema.get("enum") == [None]:
                base = {**base, "nullable": True}
            elif schema.keys() - _CONDITIONS_ONLY or may_be_anything:
                schemas.extend(self._alternatives(schema))
                refs_of_last = branch_refs
            else:
                self.dropped["oneOf or anyOf of required"] += 1
        if not schemas:
            return base, refs_of_last
        if len(schemas) == 1:
            return intersect(base, schemas[0]), refs_of_last
        if not self._unites_shapes:
            return {**base, "x-shapes": (keyword, schemas)}, refs_of_last
        kinds = list(dict.fromkeys(type_of(schema) for schema in schemas))
        same_kind = [schema for schema in schemas if type_of(schema) == kinds[0]]
        if len(kinds) > 1:
            base = {**base, "x-shapes": _shapes(keyword, kinds, schemas)}
        return intersect(base, _unite(kinds[0], same_kind)), refs

    def _alternatives(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a branch, or those that it has itself."""
        if "x-shapes" not in schema or not self._unites_shapes:
            return [schema]
        shapes: list[dict[str, Any]] = schema["x-shapes"][1]
        nullable = {"nullable": True} if schema.get("nullable") is True else {}
        return [{**shape, **nullable} for shape in shapes]


def writable_properties(schema: Schema) -> dict[str, Any]:
    """Return the properties that a request may have."""
    return {
        str(name): {} if value is True else value  # 3.1 has both for a value of any kind
        for name, value in mapping_in(schema, "properties").items()
        if value is True or (isinstance(value, dict) and not value.get("readOnly"))
    }


def type_of(schema: Schema) -> str:
    return declared_type(schema) or "object"


def is_nullable(schema: Schema) -> bool:
    return schema.get("nullable") is True or "null" in list_in(schema, "type")


def declared_type(schema: Schema) -> str:
    """Return the type that a schema says, or lets guess; empty for none."""
    declared = schema.get("type")
    for name in declared if isinstance(declared, list) else [declared]:
        if name in TYPES:
            return str(name)
    if declared == "file":
        return "string"
    for name, hints in _TYPE_HINTS.items():
        if any(hint in schema for hint in hints):
            return name
    values = schema.get("enum") or [schema.get("const")]
    if not isinstance(values, list):
        return ""
    return _common_type([value for value in values if value is not None])


def _common_type(values: list[Any]) -> str:
    """Return the type that all values have; empty where they have several, or there is none."""
    kinds = {_PYTHON_TYPES.get(type(value), "") for value in values}
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else ""


def intersect(one: Schema, other: Schema) -> dict[str, Any]:
    """Return a schema for what fits both; of keywords that are not joined the first one's stay."""
    schema = {**other, **one}
    if isinstance(one.get("properties"), dict) and isinstance(other.get("properties"), dict):
        schema["properties"] = {**other["properties"], **one["properties"]}
    if "required" in one and "required" in other:
        schema["required"] = [*list_in(one, "required"), *list_in(other, "required")]
    return schema


def _unite(kind: str, schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a schema for what fits any of several schemas of one type."""
    united: dict[str, Any] = {"type": kind}
    if any(map(is_nullable, schemas)):
        united["nullable"] = True
    if kind == "object":
        return {**united, **_unite_objects(schemas)}
    if all(map(_allowed_values, schemas)):
        united["enum"] = [value for schema in schemas for value in _allowed_values(schema)]
    elif kind == "array":
        united["items"] = _any_of([schema.get("items", {}) for schema in schemas])
    return united


def _allowed_values(schema: Schema) -> list[Any]:
    """Return the values that a schema lists; none where it lists none."""
    if "enum" not in schema and "const" in schema:
        return [schema["const"]]
    return list_in(schema, "enum")


def _any_of(schemas: list[Any]) -> Any:
    """Return a schema for what fits any of several; those that only differ in words are one."""
    distinct: dict[Any, Any] = {}
    for schema in schemas:
        same = without(schema, _WORDS) if isinstance(schema, dict) else schema
        distinct.setdefault(_hashable(same, MAX_COMPARED_LEVELS), schema)
    if len(distinct) == 1:
        return schemas[0]
    return {"anyOf": list(distinct.values())}


def _hashable(value: Any, levels: int) -> Any:
    """Return what is equal for equal values; below these levels for one alone: aliases may loop."""
    if not isinstance(value, dict | list):
        return type(value), repr(value)  # a set of YAML has no hash
    if not levels:
        return id(value)
    if isinstance(value, list):
        return tuple(_hashable(item, levels - 1) for item in value)
    return frozenset((key, _hashable(item, levels - 1)) for key, item in value.items())


def _shapes(
    keyword: str, kinds: list[str], schemas: list[dict[str, Any]]
) -> tuple[str, list[dict[str, Any]]]:
    """Return a schema for each type, and whether a value fits one of them or several."""
    if {"integer", "number"} <= set(kinds):
        keyword = "anyOf"
    by_kind = [[schema for schema in schemas if type_of(schema) == kind] for kind in kinds]
    return keyword, [
        same[0] if len(same) == 1 else _unite(kind, same)
        for kind, same in zip(kinds, by_kind, strict=True)
    ]


def _unite_objects(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    united: dict[str, Any] = {}
    if all(isinstance(schema.get("properties"), dict) for schema in schemas):
        names = dict.fromkeys(name for schema in schemas for name in schema["properties"])
        united["properties"] = {
            name: _any_of(
                [schema["properties"][name] for schema in schemas if name in schema["properties"]]
            )
            for name in names
        }
    required = [set(map(str, list_in(schema, "required"))) for schema in schemas]
    united["required"] = sorted(set.intersection(*required))
    united["x-note"] = f"one of {len(schemas)} shapes, whose properties are all listed"
    if any(schema.get("additionalProperties") for schema in schemas):
        united["additionalProperties"] = True
    return united
