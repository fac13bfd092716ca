"""A vendor's JSON schemas in the keywords that a catalog's params know."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cli.openapi.merging import (
    Merger,
    Refs,
    Schema,
    declared_type,
    is_nullable,
    type_of,
    writable_properties,
)
from cli.openapi.source import UnsayableError, list_in, without
from cli.openapi.yaml_writer import Commented, first_line, scalar
from gateway.bodies import to_text
from gateway.catalog.params.schema import TYPES
from schemas.catalog.params import FORMATS

MAX_DEPTH = 5  # levels below a parameter
MAX_SCHEMAS = 150  # in one method
MAX_DESCRIPTION_CHARACTERS = 100
MAX_NAMES_IN_NOTE = 10
_UNSUPPORTED = (
    "additionalItems", "contains", "dependentRequired", "dependentSchemas", "else", "if",
    "maxProperties", "minProperties", "multipleOf", "not", "patternProperties", "prefixItems",
    "propertyNames", "then", "unevaluatedProperties", "uniqueItems",
)  # fmt: skip
_PYTHON_TYPES = {"integer": int, "number": int | float, "boolean": bool}
_ANY_TYPES = ("string", "number", "boolean", "array", "object")  # a number may be whole
_SIZE_KEYWORDS = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}
_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300}([eE][+-]?[0-9]{1,2})?)?")


@dataclass
class Task:
    """A schema whose keywords go to ``target[key]``."""

    target: Any  # a mapping or, for one of several shapes, a list
    key: Any
    schema: Any
    required: bool = False
    depth: int = 0
    refs: Refs = frozenset()


def by_level(tasks: deque[Task], max_depth: int, max_schemas: int) -> Iterator[tuple[Task, bool]]:
    """Yield all tasks, each with whether it may append more: of too many the deepest end."""
    done_count = 0
    while tasks:
        task = tasks.popleft()
        done_count += 1
        yield task, task.depth < max_depth and done_count + len(tasks) < max_schemas


class Keywords:
    """Turns schemas into keywords; counts what is not carried over in the merger's ``dropped``."""

    def __init__(self, merger: Merger) -> None:
        self.merger = merger
        self.dropped = merger.dropped

    def flatten(self, schema: Any) -> tuple[str, dict[str, Any]]:
        """Return a schema's type and the schema without references."""
        try:
            flat, _ = self.merger.flatten(schema)
        except UnsayableError:
            return "object", {}
        return type_of(flat), flat

    def params(self, schemas: Mapping[str, tuple[Any, bool]]) -> dict[str, Commented]:
        """Return keywords by name, for schemas by name, each with whether it is required."""
        params: dict[str, Commented] = {}
        tasks = deque(
            Task(params, name, schema, required) for name, (schema, required) in schemas.items()
        )
        for task, may_descend in by_level(tasks, MAX_DEPTH, MAX_SCHEMAS):
            task.target[task.key] = self._convert(task, tasks, may_descend=may_descend)
        return params

    def _convert(self, task: Task, tasks: deque[Task], *, may_descend: bool) -> Commented:
        try:
            schema, refs = self.merger.flatten(task.schema, task.refs)
        except UnsayableError as error:
            keywords = _describe({}, required=task.required, nullable=False, type="object")
            keywords.notes.append(str(error))
            return keywords
        schema = _with_types_as_shapes(schema)
        if "x-shapes" in schema and may_descend:
            return self._convert_shapes(replace(task, schema=schema, refs=refs), tasks)
        if not declared_type(schema):
            if schema.get("enum"):
                self.dropped["enum"] += 1
            return _anything(schema, required=task.required)
        kind = type_of(schema)
        nullable = is_nullable(schema)
        keywords = _describe(schema, required=task.required, nullable=nullable, type=kind)
        if "x-note" in schema:
            keywords.notes.append(str(schema["x-note"]))
        if "x-shapes" in schema:
            other_types = [type_of(shape) for shape in schema["x-shapes"][1]][1:]
            keywords.notes.append(f"also: {', '.join(other_types)}")
        self._add_constraints(keywords, kind, schema)
        if kind == "object":
            resolved = replace(task, schema=schema, refs=refs)
            self._add_properties(keywords, resolved, tasks, may_descend=may_descend)
        elif kind == "array" and isinstance(schema.get("items"), dict) and may_descend:
            tasks.append(Task(keywords, "items", schema["items"], False, task.depth + 1, refs))
        return keywords

    def _convert_shapes(self, task: Task, tasks: deque[Task]) -> Commented:
        """Convert alternatives of different types; what is said beside them stays beside them."""
        keyword, schemas = task.schema["x-shapes"]
        nullable = task.schema.get("nullable") is True
        keywords = _describe(task.schema, required=task.required, nullable=nullable)
        shapes: list[Any] = [None] * len(schemas)
        keywords[keyword] = shapes
        for place, schema in enumerate(schemas):
            tasks.append(Task(shapes, place, schema, False, task.depth + 1, task.refs))
        return keywords

    def _add_properties(
        self, keywords: Commented, task: Task, tasks: deque[Task], *, may_descend: bool
    ) -> None:
        """Add the properties a caller may send, and what others may be."""
        schema = task.schema
        properties = writable_properties(schema)
        names = ", ".join(list(properties)[:MAX_NAMES_IN_NOTE])
        extras = schema.get("additionalProperties")
        if not properties:
            if isinstance(extras, dict) and extras and may_descend:
                self._add_extras(keywords, extras, task, tasks)
            elif not schema.get("properties") and "additionalProperties" not in schema:
                keywords.notes.append("any object")
        elif not all(re.fullmatch(r"\S+", name) for name in properties):
            keywords.notes.append("any object: names with spaces")
        elif not may_descend:
            keywords.notes.append(f"deeper than is imported: {names}")
        else:
            inner: dict[str, Any] = {}
            keywords["properties"] = inner
            required = list_in(schema, "required")
            for name, value in properties.items():
                inner[name] = None  # holds its place in the order
                depth = task.depth + 1
                tasks.append(Task(inner, name, value, name in required, depth, task.refs))
            if extras:
                self._add_extras(keywords, extras, task, tasks)

    def _add_extras(self, keywords: Commented, extras: Any, task: Task, tasks: deque[Task]) -> None:
        keywords["additionalProperties"] = True
        if isinstance(extras, dict) and extras:
            refs = task.refs
            tasks.append(
                Task(keywords, "additionalProperties", extras, False, task.depth + 1, refs)
            )

    def _add_constraints(self, keywords: Commented, kind: str, schema: Schema) -> None:
        for key in _UNSUPPORTED:
            if key in schema:
                self.dropped[key] += 1
        self._add_enum(keywords, kind, schema)
        keywords.update(_bounds(kind, schema))
        self._add_exclusive_bound(keywords, kind, "minimum", schema.get("exclusiveMinimum"), 1)
        self._add_exclusive_bound(keywords, kind, "maximum", schema.get("exclusiveMaximum"), -1)
        pattern = schema.get("pattern")
        if kind == "string" and isinstance(pattern, str):
            if _is_usable_pattern(pattern):
                keywords["pattern"] = pattern
            else:
                self.dropped["pattern"] += 1
        if str(schema.get("format")) in FORMATS:
            keywords["format"] = schema["format"]

    def _add_enum(self, keywords: Commented, kind: str, schema: Schema) -> None:
        values = schema.get("enum")
        if "enum" not in schema and "const" in schema:
            values = [schema["const"]]
        if not isinstance(values, list):
            return
        if usable := usable_values(kind, values):
            keywords["enum"] = usable
        else:
            self.dropped["enum"] += 1

    def _add_exclusive_bound(
        self, keywords: Commented, kind: str, key: str, value: object, step: int
    ) -> None:
        """Add a bound as one that is included; fractions have none. 3.0 says true, 3.1 a number."""
        if value is None or value is False:
            return
        bound = keywords.get(key) if value is True else value
        if not _is_usable_number(bound):
            return
        if kind == "integer" and isinstance(bound, int):
            keywords[key] = bound + step
        else:
            keywords[key] = bound
            self.dropped[f"exclusive {key}"] += 1


def _describe(schema: Schema, *, required: bool, nullable: bool, **keywords: str) -> Commented:
    """Return these keywords and those that a value of any type may have."""
    described = Commented(keywords)
    if required:
        described["required"] = True
    if nullable:
        described["nullable"] = True
    if text := first_line(schema.get("description"), MAX_DESCRIPTION_CHARACTERS):
        described["description"] = text
    return described


def _anything(schema: Schema, *, required: bool) -> Commented:
    """Return keywords for a schema that says nothing of a value, as ``Any`` of many frameworks."""
    keywords = _describe(schema, required=required, nullable=True)
    keywords["anyOf"] = [{"type": name} for name in _ANY_TYPES]
    return keywords


def _with_types_as_shapes(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of several types as alternatives, one of each; others as they are."""
    types = [name for name in list_in(schema, "type") if name in TYPES]
    if len(types) < 2 or "x-shapes" in schema:
        return schema
    own = without(schema, ("description", "nullable"))
    keyword = "anyOf" if {"integer", "number"} <= set(types) else "oneOf"
    shapes = [{**own, "type": name} for name in types]
    return {**schema, "nullable": is_nullable(schema), "x-shapes": (keyword, shapes)}


def usable_values(kind: str, values: list[Any]) -> list[Any]:
    """Return the allowed values as this type has them; none where that cannot be said."""
    values = [value for value in values if value is not None]
    if kind == "string":
        texts = [to_text(value) for value in values]
        if any("${" in text for text in texts):
            return []
        return list(dict.fromkeys(texts))
    if all(_is_value_of(kind, value) for value in values):
        return values
    return []


def _is_value_of(kind: str, value: object) -> bool:
    if kind not in _PYTHON_TYPES or not isinstance(value, _PYTHON_TYPES[kind]):
        return False
    if kind == "boolean":
        return True
    return _is_usable_number(value)


def _bounds(kind: str, schema: Schema) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    if kind in ("integer", "number"):
        for key in ("minimum", "maximum"):
            if _is_usable_number(schema.get(key)):
                bounds[key] = schema[key]
    for key in _SIZE_KEYWORDS.get(kind, ()):
        value: Any = schema.get(key)
        if _is_usable_number(value) and value >= 0 and value == int(value):
            bounds[key] = int(value)
    return bounds


def _is_usable_number(value: object) -> bool:
    """Tell whether it is a number as a catalog can have it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return bool(_NUMBER.fullmatch(scalar(value)))


def _is_usable_pattern(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return "${" not in pattern
