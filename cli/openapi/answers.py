"""What one operation answers: ``returns`` and ``response_headers`` of its method.

    answers = Answers(spec)
    answers.returns(operation), answers.headers(operation)

Of a schema are kept types, fields, what is required and allowed values; sizes and patterns are not,
since files are seldom exact about answers. What may be anything is left out.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import ValidationError

from cli.openapi.keywords import Task, by_level, usable_values
from cli.openapi.merging import Merger, declared_type, intersect, is_nullable, type_of
from cli.openapi.naming import bare, best_response, response_of
from cli.openapi.source import Spec, UnsayableError, list_in, mapping_in, without
from gateway.catalog.answers.response_headers import MAX_HEADERS, check_header_name
from gateway.catalog.params.schema import TYPES
from schemas.catalog.params import FORMATS

MAX_DEPTH = 3  # levels below ``data``
MAX_SCHEMAS = 100  # in one method
MAX_SHAPES = 8  # that one value may have
_NAME = re.compile(r"[^\s$]{1,100}")


class Answers:
    """Reads the successes of operations."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        # What is left out of answers is not told. One shape of several says nothing of the others.
        self._merger = Merger(spec, Counter(), unites_shapes=False)

    def returns(self, operation: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what ``data`` is; None where the file does not say, or it may be anything."""
        schemas: list[Any] = []
        nullable = False
        for response in self.successes(operation):
            schema = self.schema(response)
            if schema is None:
                nullable = True  # an answer without a body
            elif schema not in schemas:
                schemas.append(schema)
        returns = self._convert(schemas)
        if returns and nullable:
            returns["nullable"] = True
        return returns or None

    def headers(self, operation: Mapping[str, Any]) -> list[str]:
        """Return the headers of successes that callers may get."""
        names: dict[str, str] = {}
        for response in self.successes(operation):
            for name in map(str, mapping_in(response, "headers")):
                if _may_pass(name):
                    names.setdefault(name.lower(), name)
        return list(names.values())[:MAX_HEADERS]

    def successes(self, operation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield what the file says of 2xx, or else of any status."""
        responses = mapping_in(operation, "responses")
        statuses = sorted((status for status in responses if str(status).startswith("2")), key=str)
        if not statuses and "default" in responses:
            statuses = ["default"]
        for status in statuses:
            try:
                yield self._spec.follow(responses[status])
            except UnsayableError:
                continue

    def schema(self, response: Mapping[str, Any]) -> Any:
        """Return the schema of a JSON answer, {} for any; None where there is no body."""
        if self._spec.swagger:
            return response.get("schema")
        content = mapping_in(response, "content")
        media = best_response([str(media) for media in content])
        if media is None:
            return None
        if response_of(media) != "json" or bare(media) == "text/event-stream":
            return {}
        return mapping_in(content, media).get("schema", {})

    def _convert(self, schemas: list[Any]) -> dict[str, Any]:
        root: dict[str, Any] = {}
        tasks = deque([Task(root, "data", schema) for schema in schemas[:1]])
        if len(schemas) > 1:
            shapes: list[Any] = [{}] * len(schemas)
            root["data"] = {"anyOf": shapes}
            tasks = deque(Task(shapes, place, schema) for place, schema in enumerate(schemas))
        for task, may_descend in by_level(tasks, MAX_DEPTH, MAX_SCHEMAS):
            tasks.extend(self._fill(task, may_descend=may_descend))
        return _without_anything(root.get("data", {}))

    def _fill(self, task: Task, *, may_descend: bool) -> Iterator[Task]:
        """Put a schema's keywords into their place; yield what stands inside it."""
        keywords: dict[str, Any] = {}
        task.target[task.key] = keywords
        try:
            schema, refs = self._merger.flatten(task.schema, task.refs)
        except UnsayableError:  # itself again
            return
        shapes = _shapes_of(schema)
        if len(shapes) > MAX_SHAPES or (shapes and not may_descend):
            return
        if not shapes and not declared_type(schema):
            return
        if task.required:
            keywords["required"] = True
        if is_nullable(schema):
            keywords["nullable"] = True
        depth = task.depth + 1
        if shapes:
            places: list[Any] = [{}] * len(shapes)
            keywords["anyOf"] = places
            for place, shape in enumerate(shapes):
                yield Task(places, place, shape, depth=depth, refs=refs)
            return
        _add_type(keywords, schema)
        if may_descend:
            for target, key, inner, required in _inner_schemas(keywords, schema):
                yield Task(target, key, inner, required, depth, refs)


def _shapes_of(schema: Mapping[str, Any]) -> list[Any]:
    """Return what a value may be where that is one of several things."""
    if "x-shapes" in schema:
        base = without(schema, ("x-shapes",))
        return [intersect(base, shape) for shape in schema["x-shapes"][1]]
    types = [name for name in list_in(schema, "type") if name != "null"]
    if len(types) > 1:
        return [{**schema, "type": name} if name in TYPES else {} for name in types]
    return []


def _add_type(keywords: dict[str, Any], schema: Mapping[str, Any]) -> None:
    kind = type_of(schema)
    keywords["type"] = kind
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(values, list) and (usable := usable_values(kind, values)):
        keywords["enum"] = usable
    if str(schema.get("format")) in FORMATS:
        keywords["format"] = schema["format"]


def _inner_schemas(
    keywords: dict[str, Any], schema: Mapping[str, Any]
) -> Iterator[tuple[dict[str, Any], str, Any, bool]]:
    """Yield the places of the schemas inside one, each with whether it is required."""
    if keywords["type"] == "array":
        yield keywords, "items", schema.get("items"), False
    if keywords["type"] != "object":
        return
    if isinstance(schema.get("additionalProperties"), dict):
        yield keywords, "additionalProperties", schema["additionalProperties"], False
    properties: dict[str, Any] = {}
    keywords["properties"] = properties
    required = list_in(schema, "required")
    for name, inner in mapping_in(schema, "properties").items():
        is_readable = isinstance(inner, dict) and inner.get("writeOnly") is not True
        if is_readable and _NAME.fullmatch(str(name)):
            properties[str(name)] = {}  # holds its place in the order
            yield properties, str(name), inner, name in required


def _without_anything(keywords: dict[str, Any]) -> dict[str, Any]:
    """Drop what may be anything: it is not declared then."""
    if "anyOf" in keywords:
        shapes = list(map(_without_anything, keywords["anyOf"]))
        return _with_distinct(keywords, shapes) if all(shapes) else {}
    for key in ("items", "additionalProperties"):
        if key in keywords:
            keywords[key] = _without_anything(keywords[key])
            if not keywords[key]:
                del keywords[key]
    properties = keywords.get("properties", {})
    for name in list(properties):
        properties[name] = _without_anything(properties[name])
        if not properties[name]:
            del properties[name]
    if not properties:
        keywords.pop("properties", None)
    return keywords


def _with_distinct(keywords: dict[str, Any], shapes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the keywords with each shape once: cut off at some level, two may be alike."""
    distinct = [shape for place, shape in enumerate(shapes) if shape not in shapes[:place]]
    if len(distinct) > 1:
        return {**keywords, "anyOf": distinct}
    del keywords["anyOf"]
    return {**distinct[0], **keywords}


def _may_pass(name: str) -> bool:
    try:
        check_header_name(name)
    except ValidationError:
        return False
    return True
