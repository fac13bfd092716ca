"""A vendor's JSON schemas in the keywords that a catalog's params know."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.openapi.merging import Merger, Refs, Schema, kind_of, listed, writable
from cli.openapi.source import UnsayableError
from cli.openapi.yaml_writer import Commented, first_line, scalar
from gateway.bodies import to_text
from schemas.params import FORMATS

DEEPEST = 5  # levels below a parameter
MOST = 150  # schemas in one method
_UNKNOWN = (
    "additionalItems", "contains", "dependentRequired", "dependentSchemas", "else", "if", "maxProperties",
    "minProperties", "multipleOf", "not", "patternProperties", "prefixItems", "propertyNames", "then",
    "unevaluatedProperties", "uniqueItems",
)  # fmt: skip
_PYTHON = {"integer": int, "number": int | float, "boolean": bool}
_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300}([eE][+-]?[0-9]{1,2})?)?")


@dataclass
class _Todo:
    """A schema whose keywords go to ``into[key]``."""

    into: dict[str, Any]
    key: str
    schema: Any
    required: bool
    depth: int
    refs: Refs


class Keywords:
    """Turns schemas into keywords; what is not carried over is counted in the merger's ``lost``."""

    def __init__(self, merger: Merger) -> None:
        self.merger, self.lost = merger, merger.lost

    def params(self, schemas: Mapping[str, tuple[Any, bool]]) -> dict[str, Commented]:
        """Name -> keywords, of name -> schema and whether it is required; level by level, so that what is too much
        is what lies deepest."""
        made: dict[str, Commented] = {}
        todo = deque(
            _Todo(made, name, each, needed, 0, frozenset())
            for name, (each, needed) in schemas.items()
        )
        done = 0
        while todo:
            each = todo.popleft()
            done += 1
            each.into[each.key] = self._one(
                each, todo, deeper=each.depth < DEEPEST and done + len(todo) < MOST
            )
        return made

    def _one(self, todo: _Todo, more: deque[_Todo], *, deeper: bool) -> Commented:
        try:
            schema, refs = self.merger.plain(todo.schema, todo.refs)
        except UnsayableError as error:
            return Commented(
                {"type": "object", **({"required": True} if todo.required else {})}, str(error)
            )
        kind = kind_of(schema)
        said = Commented({"type": kind})
        if todo.required:
            said["required"] = True
        if "x-note" in schema:
            said.notes.append(str(schema["x-note"]))
        types = listed(schema, "type")
        if schema.get("nullable") is True or "null" in types:
            said["nullable"] = True
        if others := [str(each) for each in types if each not in (kind, "null")]:
            said.notes.append(f"also: {', '.join(others)}")
        if text := first_line(schema.get("description"), 100):
            said["description"] = text
        self._constrain(said, kind, schema)
        if kind == "object":
            self._properties(
                said, schema, more, _Todo(said, "", None, False, todo.depth, refs), deeper=deeper
            )
        elif kind == "array" and isinstance(schema.get("items"), dict) and deeper:
            more.append(_Todo(said, "items", schema["items"], False, todo.depth + 1, refs))
        return said

    def _properties(
        self, said: Commented, schema: Schema, more: deque[_Todo], like: _Todo, *, deeper: bool
    ) -> None:
        """Those a caller may give; an object that takes any others besides stays open."""
        given = schema.get("properties")
        properties = writable(schema)
        if not properties:
            said.notes += (
                ["any object"] if not given and "additionalProperties" not in schema else []
            )
        elif schema.get("additionalProperties"):
            said.notes.append(
                f"any object; among others: {', '.join(map(str, list(properties)[:10]))}"
            )
        elif not all(re.fullmatch(r"\S+", name) for name in properties):
            said.notes.append("any object: names with spaces")
        elif not deeper:
            said.notes.append(f"deeper than is imported: {', '.join(list(properties)[:10])}")
        else:
            inner: dict[str, Any] = {}
            said["properties"] = inner
            needed = listed(schema, "required")
            for name, each in properties.items():
                inner[name] = None
                more.append(_Todo(inner, name, each, name in needed, like.depth + 1, like.refs))

    def _constrain(self, said: Commented, kind: str, schema: Schema) -> None:
        for key in _UNKNOWN:
            if key in schema:
                self.lost[key] += 1
        enum = _enum(kind, schema.get("enum", [schema["const"]] if "const" in schema else None))
        if enum:
            said["enum"] = enum
        elif enum is not None:
            self.lost["enum"] += 1
        for key, value in _bounds(kind, schema).items():
            said[key] = value
        for key, low in (("exclusiveMinimum", True), ("exclusiveMaximum", False)):
            if schema.get(key) not in (None, False):
                self._exclusive(
                    said, kind, "minimum" if low else "maximum", schema[key], 1 if low else -1
                )
        if kind == "string" and isinstance(pattern := schema.get("pattern"), str):
            if _compiles(pattern):
                said["pattern"] = pattern
            else:
                self.lost["pattern"] += 1
        if str(schema.get("format")) in FORMATS:
            said["format"] = schema["format"]

    def _exclusive(self, said: Commented, kind: str, key: str, value: object, step: int) -> None:
        """As a bound that is included; of numbers with fractions there is none. 3.0 has a flag, 3.1 the number."""
        bound = said.get(key) if value is True else value
        if kind == "integer" and isinstance(bound, int) and _number(bound):
            said[key] = bound + step
        elif _number(bound):
            said[key] = bound
            self.lost[f"exclusive {key}"] += 1


def _enum(kind: str, values: object) -> list[Any] | None:
    """The allowed values as this type has them; none where that cannot be said."""
    if not isinstance(values, list):
        return None
    values = [value for value in values if value is not None]
    if kind == "string":
        texts = [to_text(value) for value in values]
        return [] if any("${" in text for text in texts) else list(dict.fromkeys(texts))
    fits = _PYTHON.get(kind)
    right = fits and all(
        isinstance(each, fits) and isinstance(each, bool) == (kind == "boolean") for each in values
    )
    return values if right and all(kind == "boolean" or _number(each) for each in values) else []


def _bounds(kind: str, schema: Schema) -> dict[str, Any]:
    numbers = ("minimum", "maximum") if kind in ("integer", "number") else ()
    made = {key: schema[key] for key in numbers if _number(schema.get(key))}
    for key in {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}.get(
        kind, ()
    ):
        value: Any = schema.get(key)
        if _number(value) and value >= 0 and value == int(value):
            made[key] = int(value)
    return made


def _number(value: object) -> bool:
    """Whether it is a number as a catalog can have it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return bool(_NUMBER.fullmatch(scalar(value)))


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return "${" not in pattern
