"""A catalog's plain values, with the line of each, and all that is wrong with them.

document.complain(("services", "maps", "deadline"), "must be a positive number of seconds")
document.stop_if_wrong()
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.catalog.notes import Note
from gateway.catalog.yaml.folder import FilePart
from gateway.masking import STARS, is_secret_name

Path_ = tuple[str | int, ...]
#: A key, and what is wrong with it or looks like a mistake.
Advice = tuple[Path_, str]

#: In which any text may be a secret. A key has one in it where the space after the colon, maybe
#: full-width, is missing.
SECRET_PLACES = frozenset({"auth", "headers", "query"})
_VALUE = re.compile(r"(?<=[:=\uff1a]).+", re.S)


class DocumentError(ValueError):
    """All problems of a document.

    ``str()`` gives a line per problem: ``services.yaml:12: services.wechat.auth: must be ...``.

    :param problems: each with the line that it is about, or 0, its key, and what to do.
    """

    def __init__(
        self, name: str, problems: list[tuple[int, str, str]], files: Sequence[FilePart] = ()
    ) -> None:
        self.name = name
        self.problems = [_locate(name, files, *problem) for problem in sorted(problems)]
        super().__init__("\n".join(problem.full_text for problem in self.problems))


def _locate(name: str, files: Sequence[FilePart], line: int, key: str, message: str) -> Note:
    """Return a note by the file and the line in it of a line of the document."""
    for file in reversed(files):
        if line > file.offset:
            return Note(f"{name.rstrip('/')}/{file.name}", line - file.offset, key, message)
    return Note(name, line, key, message)


@dataclass
class YamlDocument:
    """Plain values, the lines that they stand on, and which of them came from the environment."""

    name: str
    value: object = None
    lines: dict[Path_, int] = field(default_factory=dict)
    injected: list[tuple[Path_, str]] = field(default_factory=list)
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    missing: set[Path_] = field(default_factory=set)
    files: Sequence[FilePart] = ()

    def complain(self, path: Path_, message: str) -> None:
        """Note a problem of the value at a path, unless that value could not be filled in."""
        if not any(path[: len(missing)] == missing for missing in self.missing):
            self._note(path, message)

    def complain_missing(self, path: Path_, message: str) -> None:
        """Note that the value at a path cannot be filled in."""
        self._note(path, message)
        self.missing.add(path)

    def _note(self, path: Path_, message: str) -> None:
        """Note a problem on the line of the nearest key that exists."""
        self.problems.append((self._nearest_line(path), _dotted(path), message))

    def _nearest_line(self, path: Path_) -> int:
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)

    def nearest_key(self, place: Path_, *bases: Path_) -> Path_:
        """Return the path of a key in the first of these mappings that has it."""
        paths = [(*base, *place) for base in bases]
        return next((path for path in paths if path in self.lines), paths[0])

    def note(self, path: Path_, message: str) -> Note:
        """Return a note of the value at a path, with its file and line."""
        line = self._nearest_line(path)
        return _locate(self.name, self.files, line, _dotted(path), message)

    def complain_of_all(self, problems: Iterable[Advice], path: Path_ = ()) -> None:
        """Note each problem of the value at a path, or of one inside it."""
        for inner, message in problems:
            self.complain((*path, *inner), message)

    def stop_if_wrong(self) -> None:
        if self.problems:
            raise self.error()

    def error(self, *problems: tuple[int, str, str]) -> DocumentError:
        """Return the error that tells these problems, or else all that were noted."""
        return DocumentError(self.name, list(problems) or self.problems, self.files)


def _dotted(path: Path_) -> str:
    """Return a key as anybody may read it: ``token:****`` of ``token:hunter2``, to YAML one key."""
    in_secret_place = not SECRET_PLACES.isdisjoint(path)
    return ".".join(
        _VALUE.sub(STARS, name) if in_secret_place or is_secret_name(name) else name
        for name in map(str, path)
    )


def flatten_messages(messages: Any, path: Path_ = ()) -> Iterator[tuple[Path_, str]]:
    """Yield each of marshmallow's messages with the path of the key that it is about."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            if key == "_schema":
                yield from flatten_messages(inner, path)
            elif key == "in_":
                yield from flatten_messages(inner, (*path, "in"))
            else:
                yield from flatten_messages(inner, (*path, key))
    elif isinstance(messages, list):
        for message in messages:
            yield path, str(message)
    else:
        yield path, str(messages)
