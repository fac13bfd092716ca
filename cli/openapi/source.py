"""A vendor's API description as plain values: OpenAPI 3.0, 3.1 or Swagger 2.0, in JSON or YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import yaml

DEEPEST = 200  # levels of nesting; libyaml composes by recursion, which has no limit of its own
MOST_STEPS = 20  # from a reference to one that it names, and so on
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SpecError(ValueError):
    """Nothing can be imported from this file; says why."""


class UnsayableError(ValueError):
    """One thing that a catalog cannot say; says what."""


class _PlainLoader(_LOADER):  # type: ignore[misc,valid-type]
    """YAML 1.2's core schema: ``on`` and ``2024-01-01`` stay text."""


_KEPT = {"bool": "tTfF", "int": "-+0123456789", "float": "-+.0123456789", "null": ["~", "n", "N", ""], "merge": "<"}
_PlainLoader.yaml_implicit_resolvers = {
    first: kept
    for first, resolvers in _LOADER.yaml_implicit_resolvers.items()
    if (kept := [(tag, shape) for tag, shape in resolvers if first in _KEPT.get(tag.rpartition(":")[2], ())])
}


class Spec:
    """The whole file, and what its references stand for."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.swagger = "swagger" in root
        self._found: dict[str, Any] = {}

    def at(self, *keys: str) -> dict[str, Any]:
        """The mapping at these keys; an empty one where there is none."""
        value: Any = self.root
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    def target(self, ref: object) -> Any:
        """What a reference names (RFC 6901).

        :raises UnsayableError: it names nothing, or something outside this file.
        """
        if not isinstance(ref, str) or not ref.startswith("#"):
            raise UnsayableError(f"{str(ref)[:80]} is another file; bundle them into one first")
        if ref not in self._found:
            value: Any = self.root
            for part in ref[1:].split("/")[1:]:
                key = unquote(part).replace("~1", "/").replace("~0", "~")
                if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                    value = value[int(key)]
                elif isinstance(value, dict) and key in value:
                    value = value[key]
                else:
                    raise UnsayableError(f"{ref[:80]} is not in the file")
            self._found[ref] = value
        return self._found[ref]

    def follow(self, value: Any) -> dict[str, Any]:
        """The mapping itself that a reference, or a chain of them, stands for.

        :raises UnsayableError: there is none.
        """
        for _ in range(MOST_STEPS):
            if not isinstance(value, dict):
                raise UnsayableError("not a mapping")
            if "$ref" not in value:
                return value
            value = self.target(value["$ref"])
        raise UnsayableError("a reference to itself")


def read_spec(text: str) -> Spec:
    """:raises SpecError: it is no JSON or YAML, or no API description of a version that is known."""
    try:
        root = json.loads(text) if text.lstrip("\ufeff \t\r\n").startswith("{") else _yaml(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise SpecError(f"neither JSON nor YAML: {str(error)[:200]}") from error
    if not isinstance(root, dict):
        raise SpecError("not an API description: the file is not a mapping")
    version = str(root.get("openapi", root.get("swagger")))
    if not version.startswith(("3.0", "3.1", "2.0")):
        raise SpecError("it must say openapi: 3.0.x or 3.1.x, or swagger: '2.0'")
    if not isinstance(root.get("paths"), dict):
        raise SpecError("it has no paths")
    return Spec(root)


def _yaml(text: str) -> Any:
    depth = 0
    for event in yaml.parse(text, _LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise SpecError(f"nested deeper than {DEEPEST} levels")
    return yaml.load(text, _PlainLoader)  # noqa: S506 - a SafeLoader
