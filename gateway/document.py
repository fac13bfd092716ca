"""YAML text -> plain values, and the line each of them stands on.

YAML 1.1 reads the key ``on`` as true and ``12:30`` as 750. Here only ``true``/``false``/``null`` and plain numbers
are anything but text, keys are always text, a key given twice is an error, and aliases cannot blow up.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

Path_ = tuple[str | int, ...]
MOST_NODES = 1_000_000
DEEPEST = 64
_TOO_MUCH = "too large or nested too deeply; aliases may not refer to themselves"

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTANTS = {"true": True, "false": False, "null": None, "~": None, "": None}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,300})")
_FLOAT = re.compile(r"[-+]?[0-9]{1,300}\.[0-9]{1,300}([eE][-+]?[0-9]{1,2})?")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class DocumentError(ValueError):
    """All that is wrong with a document, one ``(line, key, what to do)`` each; line 0 is the document as a whole.

    ``str()`` gives a line per problem: ``services.yaml:12: services.wechat.auth: must be ...``.
    """

    def __init__(self, name: str, problems: list[tuple[int, str, str]]) -> None:
        self.problems = sorted(problems)
        super().__init__(
            "\n".join(
                f"{name}{f':{line}' if line else ''}: {key + ': ' if key else ''}{say}"
                for line, key, say in self.problems
            )
        )


@dataclass
class Document:
    """Plain values with a memory of where they stood and which came from the environment."""

    name: str
    value: object = None
    lines: dict[Path_, int] = field(default_factory=dict)
    injected: list[tuple[Path_, str]] = field(default_factory=list)
    problems: list[tuple[int, str, str]] = field(default_factory=list)

    def complain(self, path: Path_, say: str) -> None:
        """Note a problem at a path; the line is that of the nearest key that exists."""
        near = path
        while near not in self.lines and near:
            near = near[:-1]
        self.problems.append((self.lines.get(near, 1), ".".join(map(str, path)), say))

    def stop_if_wrong(self) -> None:
        if self.problems:
            raise DocumentError(self.name, self.problems)


def read(text: str, name: str, env: Mapping[str, str]) -> Document:
    """Parse YAML and fill in ``${NAME}`` and ``${file:/path}``.

    :raises DocumentError: bad syntax, a duplicate key, an unset variable.
    """
    document = Document(name)
    try:
        _check_depth(text, name)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line if error.problem_mark else 0) + 1
        raise DocumentError(name, [(line, "", f"not YAML: {error.problem or error.context}")]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DocumentError(name, [(1, "", f"not YAML: {type(error).__name__}")]) from error
    if node is not None:
        document.value = _Builder(document, env).build(node, ())
    document.stop_if_wrong()
    return document


def _check_depth(text: str, name: str) -> None:
    """Composing recurses in C, so that deep nesting would end the process; its events come one by one."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise DocumentError(name, [(line, "", _TOO_MUCH)])


class _Builder:
    def __init__(self, document: Document, env: Mapping[str, str]) -> None:
        self.document, self.env, self.nodes = document, env, 0

    def build(self, node: yaml.Node, path: Path_) -> object:
        self.nodes += 1
        if self.nodes > MOST_NODES or len(path) > DEEPEST:
            self.document.complain(path[:8], _TOO_MUCH)
            self.document.stop_if_wrong()
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(each, (*path, index)) for index, each in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, object]:
        made: dict[str, object] = {}
        merged: dict[str, object] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.document.lines[(*path, "?")] = line
                self.document.complain((*path, "?"), "a key must be a text")
                continue
            if key == "<<" and not key_node.style:
                self.document.lines.setdefault((*path, key), line)
                self._merge(self.build(value_node, path), merged, path)
                continue
            if key in made:
                self.document.lines[(*path, key)] = line
                self.document.complain((*path, key), f"given twice (first on line {first[key]}); keep one of them")
                continue
            first[key] = self.document.lines[(*path, key)] = line
            made[key] = self.build(value_node, (*path, key))
        return {**merged, **made}

    def _merge(self, base: object, merged: dict[str, object], path: Path_) -> None:
        """Earlier ones win, as in https://yaml.org/type/merge.html."""
        for each in base if isinstance(base, list) else [base]:
            if isinstance(each, dict):
                merged.update({**each, **merged})
            else:
                self.document.complain((*path, "<<"), "must name a mapping, or a list of them")

    def _scalar(self, node: yaml.ScalarNode, path: Path_) -> object:
        raw = str(node.value)
        if not node.style:  # plain; None from the Python loader, "" from the C one
            if raw.lower() in _CONSTANTS and raw in (raw.lower(), raw.capitalize(), raw.upper()):
                return _CONSTANTS[raw.lower()]
            if _INTEGER.fullmatch(raw):
                return int(raw)
            if _FLOAT.fullmatch(raw):
                return float(raw)
        return self._filled(raw, path) if "${" in raw else raw

    def _filled(self, raw: str, path: Path_) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("file:"):
                return self._from_file(Path(name[5:]), path)
            if name in self.env:
                self.document.injected.append((path, self.env[name]))
                return self.env[name]
            near = difflib.get_close_matches(name, self.env, n=1, cutoff=0.8)
            hint = f" (did you mean ${{{near[0]}}}?)" if near else ""
            self.document.complain(path, f"${{{name}}} is not set; set it in the environment or in .env{hint}")
            return ""

        filled = _VARIABLE.sub(value, raw)
        self.document.injected.append((path, filled))
        return filled

    def _from_file(self, file: Path, path: Path_) -> str:
        try:
            content = file.read_text(encoding="utf-8").rstrip("\r\n")
            self.document.injected.append((path, content))
            return content
        except (OSError, UnicodeDecodeError) as error:
            self.document.complain(
                path, f"${{file:{file}}} cannot be read: {getattr(error, 'strerror', None) or error}"
            )
            return ""
