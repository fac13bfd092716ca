"""Plain values as the YAML of a catalog, with comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST_LINE = 110
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_PLAIN_IN_BLOCK = re.compile(r"[A-Za-z_/][A-Za-z0-9_./{}-]*( [A-Za-z0-9_./{}-]+)*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
# Line breaks of any YAML, control characters, and those that turn the direction of writing.
_UNPRINTABLE = re.compile(
    "[^\x20-\x7e\u00a1-\u200a\u2010-\u2027\u2030-\u205f\u2070-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


class Commented(dict[str, Any]):
    """A mapping with comments of its own, which stand above it."""

    def __init__(self, values: Mapping[str, Any] | None = None, *notes: str) -> None:
        super().__init__(values or {})
        self.notes = list(notes)


def comment(text: str, indent: int = 0) -> str:
    """One line, whatever the text holds: what follows a line break would no longer be a comment."""
    return f"{' ' * indent}# {one_line(text)}"


def one_line(text: str, longest: int = 200) -> str:
    """The text's words with single spaces."""
    shown = " ".join(_UNPRINTABLE.sub(" ", text).split())
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def first_line(text: object, longest: int = 120) -> str:
    """What fits a summary, such that ``${`` in it does not ask for a variable."""
    line = text.strip().partition("\n")[0] if isinstance(text, str) else ""
    return one_line(line.replace("${", "$ {"), longest)


def scalar(value: object, plain: re.Pattern[str] = _PLAIN) -> str:
    """Text is quoted where YAML, any version of it, might read something else."""
    if isinstance(value, str):
        if plain.fullmatch(value) and value.lower() not in _WORDS:
            return value
        quoted = json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=False)
        return _UNPRINTABLE.sub(lambda match: f"\\U{ord(match[0]):08x}", quoted)
    if isinstance(value, float) and "e" in (shown := repr(value)) and "." not in shown:
        return shown.replace("e", ".0e")
    return json.dumps(value)


def lines(values: Mapping[str, Any], indent: int = 0) -> Iterator[str]:
    """Block style; what is short and has no comment inside stands on one line."""
    for key, value in values.items():
        for note in getattr(value, "notes", ()):
            yield comment(note, indent)
        head = f"{' ' * indent}{scalar(key)}:"
        if not isinstance(value, Mapping | list):
            yield f"{head} {scalar(value, _PLAIN_IN_BLOCK)}"
            continue
        short = flow(value)
        if len(head) + len(short) < LONGEST_LINE and not notes_inside(value):
            yield f"{head} {short}"
        elif isinstance(value, Mapping):
            yield head
            yield from lines(value, indent + 2)
        else:
            yield head
            yield from (f"{' ' * indent}- {flow(each)}" for each in value)


def flow(value: object) -> str:
    """On one line; comments are lost."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{scalar(key)}: {flow(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    return scalar(value)


def notes_inside(value: object) -> bool:
    """Whether something in it has comments."""
    return isinstance(value, Mapping) and any(
        getattr(each, "notes", ()) or notes_inside(each) for each in value.values()
    )
