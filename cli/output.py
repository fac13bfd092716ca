"""What commands print: columns in line, whatever the script; JSON; progress.

>>> table(("NAME", "CITY"), [("mei", "北京"), ("jonas", "Köln")])
["NAME   CITY", "mei    北京", "jonas  Köln"]
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import click

from schemas.numbers import dump_exactly

T = TypeVar("T")

JSON_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"(?=:))|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<plain>-?\d[\d.eE+-]*|true|false|null)"
)
NO_COLOR = bool(os.environ.get("NO_COLOR"))  # https://no-color.org
JSON_COLORS = {"key": "blue", "text": "green", "plain": "yellow"}

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def print_json(value: Any) -> None:
    """Print JSON, at a terminal with its keys and values in colours."""
    text = dump_exactly(value, ensure_ascii=False, indent=2)
    if sys.stdout.isatty() and not NO_COLOR:
        text = color_json(text)
    click.echo(text)


def color_json(text: str) -> str:
    def color(token: re.Match[str]) -> str:
        return click.style(token[0], fg=JSON_COLORS[token.lastgroup or ""])

    return JSON_TOKEN.sub(color, text)


def count(number: int, noun: str) -> str:
    """Return a number with its noun: 1 method, 2 methods."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a line for the header and one for each row, two blanks between columns."""
    lines = [header, *rows]
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(pad, line, widths)).rstrip() for line in lines]


def width(text: str) -> int:
    """Count a text's cells in a terminal: two a wide letter (UAX #11), none a combining mark."""
    return sum(_cells(letter) for letter in text)


def pad(text: str, cells: int) -> str:
    return text + " " * (cells - width(text))


def cut(text: str, cells: int) -> str:
    """Cut a text to so many cells, with … where something is missing."""
    if width(text) <= cells:
        return text
    while text and width(text) >= cells:
        text = text[:-1]
    return f"{text}…"[:cells]


def _cells(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    if unicodedata.east_asian_width(letter) in "WF":
        return 2
    return 1


def show_progress(steps: Collection[T], label: str) -> Iterator[T]:
    """Yield the steps, with a bar on stderr of how many are done if that is a terminal."""
    with click.progressbar(
        steps, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        yield from bar
