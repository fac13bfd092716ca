"""A vendor's API description, JSON or YAML, one file or several, as plain values."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

MAX_NESTING_LEVELS = 200  # libyaml composes by recursion, which has no limit of its own
MAX_REFERENCE_STEPS = 20  # from a reference to one that it names, and so on
MAX_FILE_BYTES = 64 * 1024 * 1024  # of a file that another refers to
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SpecError(ValueError):
    """Nothing can be imported from this file; says why."""


class UnsayableError(ValueError):
    """One thing that a catalog cannot say; says what."""


class _PlainLoader(_LOADER):  # type: ignore[misc,valid-type]
    """YAML 1.2's core schema: ``on`` and ``2024-01-01`` stay text."""


#: Tag -> first characters of the texts that are of its type.
_CORE_SCHEMA = {
    "bool": "tTfF",
    "int": "-+0123456789",
    "float": "-+.0123456789",
    "null": ["~", "n", "N", ""],
    "merge": "<",
}
_PlainLoader.yaml_implicit_resolvers = {
    first: core_resolvers
    for first, resolvers in _LOADER.yaml_implicit_resolvers.items()
    if (
        core_resolvers := [
            (tag, pattern)
            for tag, pattern in resolvers
            if first in _CORE_SCHEMA.get(tag.rpartition(":")[2], ())
        ]
    )
}


def list_in(holder: Mapping[str, Any], key: str) -> list[Any]:
    """Return the list under a key; an empty one where there is none: the file is unchecked."""
    value = holder.get(key)
    if isinstance(value, list):
        return value
    return []


def mapping_in(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the mapping under a key; an empty one where there is none."""
    value = holder.get(key)
    if isinstance(value, dict):
        return value
    return {}


def without(values: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


class Spec:
    """The whole description, which resolves its references.

    Once a file is read, its references are rewritten to be relative to the first one, so that they
    mean the same wherever they are carried.

    :param path: of the first file; without it no other file is read.
    """

    def __init__(self, root: Mapping[str, Any], path: Path | None = None) -> None:
        self.root = root
        self.swagger = "swagger" in root
        self._folder = path and path.parent
        self._targets: dict[str, Any] = {}
        self._resolving: set[str] = set()
        self._files: dict[str, Any] = {"": root}
        if path:
            self._files[path.name] = root
            _rebase(root, "")

    def at(self, *keys: str) -> dict[str, Any]:
        """Return the mapping at these keys; an empty one where there is none."""
        value: Mapping[str, Any] = self.root
        for key in keys:
            value = mapping_in(value, key)
        return dict(value)

    def target(self, ref: object) -> Any:
        """Return what a reference names: a file, and a place in it (RFC 6901).

        :raises UnsayableError: it names nothing in the first file's folder.
        """
        if not isinstance(ref, str):
            raise UnsayableError("a reference that is no text")
        if ref not in self._targets:
            if ref in self._resolving or len(self._resolving) >= MAX_REFERENCE_STEPS:
                raise UnsayableError("a reference to itself")
            self._resolving.add(ref)
            try:
                self._targets[ref] = self._look_up(ref)
            finally:
                self._resolving.remove(ref)
        return self._targets[ref]

    def _look_up(self, ref: str) -> Any:
        """Follow a pointer, which may lead through other references."""
        name, _, pointer = ref.partition("#")
        value = self._file(name)
        for part in pointer.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and "$ref" in value and key not in value:
                value = self.follow(value)
            if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            elif isinstance(value, dict) and key in value:
                value = value[key]
            else:
                raise UnsayableError(f"{ref[:80]} is not in the file")
        return value

    def _file(self, name: str) -> Any:
        if name not in self._files:
            path = self._path(name)
            try:
                content = _parse(path.read_text(encoding="utf-8-sig"))
            except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
                raise UnsayableError(f"{name[:80]} cannot be read as JSON or YAML") from error
            _rebase(content, name)
            self._files[name] = content
        return self._files[name]

    def _path(self, name: str) -> Path:
        """Return the path of a file in the folder: who wrote the description reads no others."""
        if self._folder is None or urlsplit(name).scheme:
            raise UnsayableError(f"{name[:80]} is another file; bundle them into one first")
        folder = self._folder.resolve()
        try:
            path = (folder / unquote(name)).resolve()
            is_usable = path.is_relative_to(folder) and path.is_file()
        except (OSError, ValueError) as error:  # a name with NUL in it, or one too long
            raise UnsayableError(f"{name[:80]} is no file's name") from error
        if not is_usable:
            raise UnsayableError(
                f"{name[:80]} is not in this file's folder; bundle them into one first"
            )
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UnsayableError(f"{name[:80]} is larger than {MAX_FILE_BYTES} bytes")
        return path

    def follow(self, value: Any) -> dict[str, Any]:
        """Return the mapping that a reference, or a chain of them, stands for.

        :raises UnsayableError: there is none.
        """
        for _ in range(MAX_REFERENCE_STEPS):
            if not isinstance(value, dict):
                raise UnsayableError("not a mapping")
            if "$ref" not in value:
                return value
            value = self.target(value["$ref"])
        raise UnsayableError("a reference to itself")


def read_spec(text: str, path: Path | None = None) -> Spec:
    """Read a description.

    :param path: of its file; the others that it refers to are found from there.
    :raises SpecError: it is no JSON or YAML, or no API description of a version that is known.
    """
    try:
        root = _parse(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise SpecError(f"neither JSON nor YAML: {str(error)[:200]}") from error
    if not isinstance(root, dict):
        raise SpecError("not an API description: the file is not a mapping")
    version = str(root.get("openapi", root.get("swagger")))
    if not version.startswith(("3.0", "3.1", "2.0")):
        raise SpecError("it must say openapi: 3.0.x or 3.1.x, or swagger: '2.0'")
    if not isinstance(root.get("paths"), dict):
        raise SpecError("it has no paths")
    return Spec(root, path)


def _rebase(content: Any, name: str) -> None:
    """Rewrite the references of the file ``name`` to be relative to the first file."""
    pending = [content]
    visited: set[int] = set()  # a YAML alias is the same value once more
    while pending:
        value = pending.pop()
        if not isinstance(value, dict | list) or id(value) in visited:
            continue
        visited.add(id(value))
        if isinstance(value, list):
            pending.extend(value)
            continue
        if isinstance(ref := value.get("$ref"), str):
            value["$ref"] = _rebase_reference(ref, name)
        pending.extend(value.values())


def _rebase_reference(ref: str, name: str) -> str:
    file, mark, pointer = ref.partition("#")
    if not file:
        file = name
    elif not urlsplit(file).scheme:
        file = posixpath.normpath(posixpath.join(posixpath.dirname(name), file))
    return f"{file}{mark}{pointer}"


def _parse(text: str) -> Any:
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return json.loads(text)
    depth = 0
    for event in yaml.parse(text, _LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_NESTING_LEVELS:
            raise SpecError(f"nested deeper than {MAX_NESTING_LEVELS} levels")
    return yaml.load(text, _PlainLoader)  # noqa: S506 - a SafeLoader
