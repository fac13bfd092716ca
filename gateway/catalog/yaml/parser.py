"""YAML text -> plain values, and the line of each of them.

YAML 1.1 reads the key ``on`` as true and ``12:30`` as 750. Here only ``true``/``false``/``null``
and plain numbers are anything but text, keys are always text, a key written twice is an error, and
aliases cannot blow up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import yaml

from gateway.catalog.yaml import syntax
from gateway.catalog.yaml.document import Path_, YamlDocument
from gateway.catalog.yaml.folder import FilePart, split_files
from gateway.catalog.yaml.variables import Variables

MAX_NODES = 1_000_000
MAX_DEPTH = 64
_TOO_LARGE = "too large or nested too deeply; aliases may not refer to themselves"

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_CONSTANTS = {
    form: value
    for word, value in _WORDS.items()
    for form in (word, word.capitalize(), word.upper())
}
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_OTHER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_NUMERIC = frozenset("+-0123456789")  # what a number may begin with
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,300})")
_FLOAT = re.compile(r"[-+]?[0-9]{1,300}\.[0-9]{1,300}([eE][-+]?[0-9]{1,2})?")


#: What several files may each have a part of.
COMBINED_KEYS = frozenset({"services", "aggregates"})


def read(text: str, name: str, env: Mapping[str, str]) -> YamlDocument:
    """Parse YAML and fill in its variables; a duplicate key, an unset one are its problems.

    :raises DocumentError: bad syntax.
    """
    files = split_files(text)
    document = YamlDocument(name, files=files)
    builder = _Builder(document, env)
    if not files:
        document.value = builder.fill(FilePart(name, 0, text))
        return document
    merged = _Merged(document)
    for file in files:
        merged.add(file.name, builder.fill(file))
    document.value = merged.value
    return document


class _Merged:
    """What several files say together; no name may be given by two."""

    def __init__(self, document: YamlDocument) -> None:
        self._document = document
        self._files: dict[Path_, str] = {}  # which gave a name
        self.value: dict[str, Any] = {}

    def add(self, file: str, value: object) -> None:
        if value is None:
            return
        if not isinstance(value, dict):
            self._document.complain((), f"{file} must be a mapping of keys to values")
            return
        for key, inner in value.items():
            if key in COMBINED_KEYS:
                self._add_names(file, key, inner)
            elif key in self.value and inner != self.value[key]:
                first = self._files[key,]
                self._document.complain(
                    (key,), f"given otherwise by {first}; keep it in one of them"
                )
            else:
                self.value[key] = inner
                self._files.setdefault((key,), file)

    def _add_names(self, file: str, key: str, names: object) -> None:
        self.value.setdefault(key, {})
        if not isinstance(names, dict):
            self._document.complain((key,), "must be a mapping of names to settings")
            return
        for name in names:
            first = self._files.setdefault((key, name), file)
            if first != file:
                self._document.complain((key, name), f"given by {first}, too; keep one of them")
        self.value[key] |= names


Pull = Callable[[], Any]  # returns the parser's next event


class _Builder:
    """Values out of the parser's events, one by one.

    PyYAML's composer recurses in C (deep nesting would end the process), keeps every other thread
    waiting while it reads a large text, and takes twice as long.
    """

    def __init__(self, document: YamlDocument, env: Mapping[str, str]) -> None:
        self.document = document
        self.variables = Variables(document, env)
        self.nodes = 0
        self.first_line = 1  # of the file that is read
        # The events of each anchor; none while it is not yet at its end.
        self.anchors: dict[str, list[Any]] = {}

    def fill(self, file: FilePart) -> object:
        """Return the value of the one document that a file may have; None where it has none.

        :raises DocumentError: bad syntax.
        """
        self.first_line = file.offset + 1
        self.anchors.clear()
        try:
            return self._read(LOADER(file.text).get_event)
        except yaml.YAMLError as error:
            line, message = syntax.explain(error, file.text)
            raise self.document.error((self.first_line + line, "", message)) from error

    def _read(self, pull: Pull) -> object:
        pull()  # the stream's start
        if isinstance(pull(), yaml.StreamEndEvent):
            return None
        value = self.build(pull(), pull, ())
        pull()  # the document's end
        event = pull()
        if not isinstance(event, yaml.StreamEndEvent):
            self._stop(event, "not YAML: a second document; the catalog is one")
        return value

    def build(self, event: Any, pull: Pull, path: Path_) -> object:
        self.nodes += 1
        if self.nodes > MAX_NODES or len(path) > MAX_DEPTH:
            self._stop(event, _TOO_LARGE)
        self.document.lines.setdefault(path, self._line(event))
        if isinstance(event, yaml.AliasEvent):
            replay = iter(self._anchored_events(event)).__next__
            return self.build(replay(), replay, path)
        if isinstance(event, yaml.ScalarEvent):
            if event.anchor:
                self.anchors[event.anchor] = [event]
            return self._scalar(event, path)
        if event.anchor:
            return self._anchored_collection(event, pull, path)
        return self._collection(event, pull, path)

    def _anchored_collection(self, event: Any, pull: Pull, path: Path_) -> object:
        """Build a collection and keep its events, which its aliases replay."""
        record = [event]

        def pull_and_record() -> Any:
            event = pull()
            record.append(event)
            return event

        self.anchors[event.anchor] = []
        collection = self._collection(event, pull_and_record, path)
        self.anchors[event.anchor] = record
        return collection

    def _anchored_events(self, event: Any) -> list[Any]:
        if event.anchor not in self.anchors:
            self._stop(event, f"not YAML: there is no &{event.anchor} before this *{event.anchor}")
        return self.anchors[event.anchor] or self._stop(event, _TOO_LARGE)

    def _stop(self, event: Any, message: str) -> NoReturn:
        raise self.document.error((self._line(event), "", message))

    def _line(self, event: Any) -> int:
        return int(event.start_mark.line) + self.first_line

    def _check_tag(self, event: Any, path: Path_) -> None:
        """Refuse ``!env NAME`` of other programs; it is not quoted: it may be a secret."""
        if event.tag is not None and event.tag not in (*_TEXT_TAGS, *_OTHER_TAGS):
            self.document.complain_missing(
                path,
                "begins with a tag (!...), which means nothing here; quote a text that begins"
                " with !, and write a variable as ${NAME}",
            )

    def _collection(self, event: Any, pull: Pull, path: Path_) -> object:
        self._check_tag(event, path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(pull, path)
        values: list[object] = []
        while not isinstance(item := pull(), yaml.SequenceEndEvent):
            values.append(self.build(item, pull, (*path, len(values))))
        return values

    def _mapping(self, pull: Pull, path: Path_) -> dict[str, object]:
        values: dict[str, object] = {}
        merged: dict[str, object] = {}
        first_lines: dict[str, int] = {}
        while not isinstance(event := pull(), yaml.MappingEndEvent):
            scalar = self._key_scalar(event, path)
            if scalar is None:
                self.build(event, pull, (*path, "?"))
                self.build(pull(), pull, (*path, "?"))
                continue
            key = str(scalar.value)
            line = self._line(event)
            if key == "<<" and not scalar.style:
                self.document.lines.setdefault((*path, key), line)
                self._merge(self.build(pull(), pull, path), merged, path)
                continue
            self.document.lines[(*path, key)] = line
            if key in values:
                self.document.complain(
                    (*path, key),
                    f"given twice (first on line {first_lines[key]}); keep one of them",
                )
            first_lines.setdefault(key, line)
            values[key] = self.build(pull(), pull, (*path, key))
        return {**merged, **values}

    def _key_scalar(self, event: Any, path: Path_) -> Any:
        """Return the event of a mapping's key, an alias resolved; None for one that is no text."""
        scalar = event
        if isinstance(event, yaml.AliasEvent):
            scalar = self._anchored_events(event)[0]
        if not isinstance(scalar, yaml.ScalarEvent):
            self.document.lines[(*path, "?")] = self._line(event)
            self.document.complain((*path, "?"), "a key must be a text")
            return None
        if event.anchor and scalar is event:
            self.anchors[event.anchor] = [event]
        return scalar

    def _merge(self, base: object, merged: dict[str, object], path: Path_) -> None:
        """Add the keys of one mapping or several; earlier ones win (yaml.org/type/merge.html)."""
        bases = base if isinstance(base, list) else [base]
        for mapping in bases:
            if isinstance(mapping, dict):
                merged.update({**mapping, **merged})
            else:
                self.document.complain((*path, "<<"), "must name a mapping, or a list of them")

    def _scalar(self, event: Any, path: Path_) -> object:
        raw = str(event.value)
        self._check_tag(event, path)
        is_plain = not event.style  # None from the Python loader, "" from the C one
        if is_plain and event.tag not in _TEXT_TAGS:
            if raw in _CONSTANTS:
                return _CONSTANTS[raw]
            if raw[0] in _NUMERIC:
                if _INTEGER.fullmatch(raw):
                    return int(raw)
                if _FLOAT.fullmatch(raw) and math.isfinite(float(raw)):
                    return float(raw)
        return self.variables.fill(raw, path)
