"""Plain values as the YAML of a catalog, with comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MAX_LINE_CHARACTERS = 110
MAX_COMMENT_CHARACTERS = 200
MAX_SUMMARY_CHARACTERS = 120
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_PLAIN_IN_BLOCK = re.compile(r"[A-Za-z_/][A-Za-z0-9_./{}-]*( [A-Za-z0-9_./{}-]+)*")
_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
# Line breaks of any YAML, control characters, and those that turn the direction of writing.
_UNPRINTABLE = re.compile(
    "[^\x20-\x7e\u00a1-\u200a\u2010-\u2027\u2030-\u205f\u2070-\ud7ff"
    "\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


class Commented(dict[str, Any]):
    """A mapping with comments, its notes, which stand above it."""

    def __init__(self, values: Mapping[str, Any] | None = None, *notes: str) -> None:
        super().__init__(values or {})
        self.notes = list(notes)


def comment(text: str, indent: int = 0) -> str:
    """Return a comment of one line: what follows a line break in the text would be no comment."""
    return f"{' ' * indent}# {one_line(text)}"


def one_line(text: str, max_characters: int = MAX_COMMENT_CHARACTERS) -> str:
    """Return the text's words with single spaces, cut to so many characters."""
    words = " ".join(_UNPRINTABLE.sub(" ", text).split())
    if len(words) > max_characters:
        return f"{words[: max_characters - 1]}…"
    return words


def first_line(text: object, max_characters: int = MAX_SUMMARY_CHARACTERS) -> str:
    """Return a text's first line, in which ``${`` asks for no variable; empty for no text."""
    if not isinstance(text, str):
        return ""
    line = text.strip().partition("\n")[0]
    return one_line(line.replace("${", "$ {"), max_characters)


def scalar(value: object, plain: re.Pattern[str] = _PLAIN) -> str:
    """Return a value as YAML; text is quoted where any version of it might read something else."""
    if isinstance(value, str):
        if plain.fullmatch(value) and value.lower() not in _YAML_WORDS:
            return value
        quoted = json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=False)
        return _UNPRINTABLE.sub(lambda match: f"\\U{ord(match[0]):08x}", quoted)
    text = json.dumps(value)
    if isinstance(value, float) and "e" in text and "." not in text:
        return text.replace("e", ".0e")  # else YAML reads a text
    return text


def lines(values: Mapping[str, Any], indent: int = 0) -> Iterator[str]:
    """Yield lines in block style; what is short and has no comment inside stands on one line."""
    for key, value in values.items():
        for note in getattr(value, "notes", ()):
            yield comment(note, indent)
        head = f"{' ' * indent}{scalar(key)}:"
        if not isinstance(value, Mapping | list):
            yield f"{head} {scalar(value, _PLAIN_IN_BLOCK)}"
            continue
        on_one_line = _on_one_line(head, value)
        if on_one_line:
            yield on_one_line
        elif isinstance(value, Mapping):
            yield head
            yield from lines(value, indent + 2)
        else:
            yield head
            for item in value:
                yield from _list_item(item, indent)


def _list_item(item: object, indent: int) -> Iterator[str]:
    dash = f"{' ' * indent}- "
    on_one_line = _on_one_line(dash.rstrip(), item)
    if on_one_line or not isinstance(item, Mapping):
        yield on_one_line or dash + flow(item)
        return
    first, *rest = lines(item, indent + 2)
    yield dash + first.lstrip()
    yield from rest


def _on_one_line(head: str, value: object) -> str:
    """Return head and value on one line; nothing where that is too long, or hides comments."""
    if _room_after(value, MAX_LINE_CHARACTERS - len(head)) < 0 or has_notes_inside(value):
        return ""
    line = f"{head} {flow(value)}"
    return line if len(line) <= MAX_LINE_CHARACTERS else ""


def _room_after(value: object, room: int) -> int:
    """Return how many characters a value leaves of a line; once below 0, the rest is not read."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            room = _room_after(item, room - len(str(key)) - len(": "))
            if room < 0:
                break
        return room
    if isinstance(value, list):
        for item in value:
            room = _room_after(item, room)
            if room < 0:
                break
        return room
    return room - len(value) if isinstance(value, str) else room - 1


def flow(value: object) -> str:
    """Return a value on one line; comments are lost."""
    if isinstance(value, Mapping):
        entries = [f"{scalar(key)}: {flow(item)}" for key, item in value.items()]
        return f"{{{', '.join(entries)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    return scalar(value)


def has_notes_inside(value: object) -> bool:
    """Tell whether something in a mapping or a list has comments."""
    items: Iterable[object] = ()
    if isinstance(value, Mapping):
        items = value.values()
    elif isinstance(value, list):
        items = value
    return any(getattr(item, "notes", ()) or has_notes_inside(item) for item in items)
