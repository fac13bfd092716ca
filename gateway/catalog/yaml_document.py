"""YAML text -> plain values, and the line each of them stands on.

YAML 1.1 reads the key ``on`` as true and ``12:30`` as 750. Here only ``true``/``false``/``null`` and plain numbers
are anything but text, keys are always text, a key given twice is an error, and aliases cannot blow up.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from gateway.system import MAX_SECRET_BYTES, read_regular

Path_ = tuple[str | int, ...]
MOST_NODES = 1_000_000
DEEPEST = 64
_TOO_MUCH = "too large or nested too deeply; aliases may not refer to themselves"

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_CONSTANTS = {
    form: value
    for word, value in _WORDS.items()
    for form in (word, word.capitalize(), word.upper())
}
_NUMERIC = frozenset("+-0123456789")  # what a number may begin with
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,300})")
_FLOAT = re.compile(r"[-+]?[0-9]{1,300}\.[0-9]{1,300}([eE][-+]?[0-9]{1,2})?")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class DocumentError(ValueError):
    """All that is wrong with a document, one ``(line, key, what to do)`` each; line 0 is the document as a whole.

    ``str()`` gives a line per problem: ``services.yaml:12: services.wechat.auth: must be ...``.
    """

    def __init__(self, name: str, problems: list[tuple[int, str, str]]) -> None:
        self.name, self.problems = name, sorted(problems)
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
    unknown: set[Path_] = field(default_factory=set)

    def complain(self, path: Path_, say: str) -> None:
        """Note a problem at a path, unless what stands there is not known."""
        if not any(path[: len(each)] == each for each in self.unknown):
            self._note(path, say)

    def miss(self, path: Path_, say: str) -> None:
        """Note that what should stand at a path cannot be had."""
        self._note(path, say)
        self.unknown.add(path)

    def _note(self, path: Path_, say: str) -> None:
        """The line is that of the nearest key that exists."""
        near = path
        while near not in self.lines and near:
            near = near[:-1]
        self.problems.append((self.lines.get(near, 1), ".".join(map(str, path)), say))

    def stop_if_wrong(self) -> None:
        if self.problems:
            raise DocumentError(self.name, self.problems)


def read(text: str, name: str, env: Mapping[str, str]) -> Document:
    """Parse YAML and fill in ``${NAME}`` and ``${file:/path}``; a duplicate key, an unset variable are its problems.

    :raises DocumentError: bad syntax.
    """
    document = Document(name)
    try:
        _Builder(document, env).fill(text)
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line if error.problem_mark else 0) + 1
        raise DocumentError(
            name, [(line, "", f"not YAML: {error.problem or error.context}")]
        ) from error
    except yaml.YAMLError as error:
        raise DocumentError(name, [(1, "", f"not YAML: {type(error).__name__}")]) from error
    return document


Pull = Callable[[], Any]  # the parser's next event


class _Builder:
    """Values out of the parser's events, one by one.

    PyYAML's composer recurses in C (deep nesting would end the process), keeps every other thread waiting while it
    reads a large text, and takes twice as long.
    """

    def __init__(self, document: Document, env: Mapping[str, str]) -> None:
        self.document = document
        self.env = env
        self.nodes = 0
        # The events of each anchor; none while it is not yet at its end.
        self.anchors: dict[str, list[Any]] = {}

    def fill(self, text: str) -> None:
        """Build the one document that the text may have."""
        pull: Pull = _LOADER(text).get_event
        pull()  # the stream's start
        if isinstance(pull(), yaml.StreamEndEvent):
            return
        self.document.value = self.build(pull(), pull, ())
        pull()  # the document's end
        if not isinstance(more := pull(), yaml.StreamEndEvent):
            self._stop(more, "not YAML: a second document; the catalog is one")

    def build(self, event: Any, pull: Pull, path: Path_) -> object:
        self.nodes += 1
        if self.nodes > MOST_NODES or len(path) > DEEPEST:
            self._stop(event, _TOO_MUCH)
        self.document.lines.setdefault(path, event.start_mark.line + 1)
        if isinstance(event, yaml.AliasEvent):
            replay = iter(self._anchored(event)).__next__
            return self.build(replay(), replay, path)
        if isinstance(event, yaml.ScalarEvent):
            if event.anchor:
                self.anchors[event.anchor] = [event]
            return self._scalar(event, path)
        return (
            self._recorded(event, pull, path)
            if event.anchor
            else self._collection(event, pull, path)
        )

    def _recorded(self, event: Any, pull: Pull, path: Path_) -> object:
        """A collection that aliases may stand for: they replay its events."""
        record = [event]

        def recording() -> Any:
            record.append(following := pull())
            return following

        self.anchors[event.anchor] = []
        made = self._collection(event, recording, path)
        self.anchors[event.anchor] = record
        return made

    def _anchored(self, event: Any) -> list[Any]:
        if event.anchor not in self.anchors:
            self._stop(event, f"not YAML: there is no &{event.anchor} before this *{event.anchor}")
        return self.anchors[event.anchor] or self._stop(event, _TOO_MUCH)

    def _stop(self, event: Any, say: str) -> NoReturn:
        raise DocumentError(self.document.name, [(event.start_mark.line + 1, "", say)])

    def _collection(self, event: Any, pull: Pull, path: Path_) -> object:
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(pull, path)
        made: list[object] = []
        while not isinstance(each := pull(), yaml.SequenceEndEvent):
            made.append(self.build(each, pull, (*path, len(made))))
        return made

    def _mapping(self, pull: Pull, path: Path_) -> dict[str, object]:
        made: dict[str, object] = {}
        merged: dict[str, object] = {}
        first: dict[str, int] = {}
        while not isinstance(event := pull(), yaml.MappingEndEvent):
            scalar = self._anchored(event)[0] if isinstance(event, yaml.AliasEvent) else event
            line = event.start_mark.line + 1
            if not isinstance(scalar, yaml.ScalarEvent):
                self.document.lines[(*path, "?")] = line
                self.document.complain((*path, "?"), "a key must be a text")
                self.build(event, pull, (*path, "?"))
                self.build(pull(), pull, (*path, "?"))
                continue
            if event.anchor and scalar is event:
                self.anchors[event.anchor] = [event]
            key = str(scalar.value)
            if key == "<<" and not scalar.style:
                self.document.lines.setdefault((*path, key), line)
                self._merge(self.build(pull(), pull, path), merged, path)
                continue
            self.document.lines[(*path, key)] = line
            if key in made:
                self.document.complain(
                    (*path, key), f"given twice (first on line {first[key]}); keep one of them"
                )
            first.setdefault(key, line)
            made[key] = self.build(pull(), pull, (*path, key))
        return {**merged, **made}

    def _merge(self, base: object, merged: dict[str, object], path: Path_) -> None:
        """Earlier ones win, as in https://yaml.org/type/merge.html."""
        for each in base if isinstance(base, list) else [base]:
            if isinstance(each, dict):
                merged.update({**each, **merged})
            else:
                self.document.complain((*path, "<<"), "must name a mapping, or a list of them")

    def _scalar(self, event: Any, path: Path_) -> object:
        raw = str(event.value)
        if not event.style:  # plain; None from the Python loader, "" from the C one
            if raw in _CONSTANTS:
                return _CONSTANTS[raw]
            if raw[0] in _NUMERIC:
                if _INTEGER.fullmatch(raw):
                    return int(raw)
                if _FLOAT.fullmatch(raw) and math.isfinite(float(raw)):
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
            self.document.miss(
                path, f"${{{name}}} is not set; set it in the environment or in .env{hint}"
            )
            return ""

        filled = _VARIABLE.sub(value, raw)
        self.document.injected.append((path, filled))
        return filled

    def _from_file(self, file: Path, path: Path_) -> str:
        try:
            content = read_regular(file, MAX_SECRET_BYTES).decode().rstrip("\r\n")
            self.document.injected.append((path, content))
            return content
        except (OSError, UnicodeDecodeError) as error:
            self.document.miss(
                path,
                f"${{file:{file}}} cannot be read: {getattr(error, 'strerror', None) or error}",
            )
            return ""
