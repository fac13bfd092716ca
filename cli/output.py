"""What commands print: columns that stand in line, whatever script the words are in, or JSON."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import click

# tables: What commands print: columns that stand in line, whatever script the words are in, or JSON.

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A line for the header and one for each row, two blanks between columns."""
    lines = [header, *rows]
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(padded, line, widths)).rstrip() for line in lines]


def width(text: str) -> int:
    """Cells that it takes in a terminal: two for wide letters (UAX #11), none for marks on the letter before."""
    return sum(_cells(letter) for letter in text)


def padded(text: str, cells: int) -> str:
    return text + " " * (cells - width(text))


def cut(text: str, cells: int) -> str:
    """As much of it as so many cells take, with … where something is missing."""
    if width(text) <= cells:
        return text
    while text and width(text) >= cells:
        text = text[:-1]
    return f"{text}…"[:cells]


def _cells(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


# progress: How far a long command is.

T = TypeVar("T")


def shown(steps: Collection[T], label: str) -> Iterator[T]:
    """The steps, with a bar of how many are done for whoever watches: on stderr, if that is a terminal."""
    with click.progressbar(
        steps, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        yield from bar
