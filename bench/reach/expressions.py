"""A provider's texts, ``Bearer ${apiKey}`` or ``${base64(${credentials.user}:x)}``, taken apart.

text = parse("Bearer ${apiKey}")  # ("Bearer ", Name("apiKey"))
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bench.reach.unsayable import Unsayable

#: Between two ways to say a thing, of which the last needs the least.
ALTERNATIVE = " || "
_CALL = re.compile(r"(\w+)\((.*)\)\Z", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w.-]*\Z")


@dataclass(frozen=True)
class Name:
    """Something that a connection knows, such as ``credentials.username``."""

    path: str

    @property
    def variable(self) -> str:
        """A variable's name for it: ``API_HOST`` for ``connectionConfig.apiHost``."""
        last = self.path.removeprefix("connectionConfig.").removeprefix("credentials.")
        words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", last)
        return re.sub(r"\W+", "_", words).upper()


@dataclass(frozen=True)
class Computed:
    """A function of a text, such as ``base64``."""

    function: str
    argument: Text


Text = tuple["str | Name | Computed", ...]


def parse(text: str) -> Text:
    """:raises Unsayable: it has an expression of a kind that is not known."""
    return tuple(_parts(text.split(ALTERNATIVE)[-1]))


def names(text: Text) -> set[str]:
    """Return the paths of all names in a text."""
    paths = set()
    for part in text:
        if isinstance(part, Name):
            paths.add(part.path)
        elif isinstance(part, Computed):
            paths |= names(part.argument)
    return paths


def _parts(text: str) -> Iterator[str | Name | Computed]:
    position = 0
    while (start := text.find("${", position)) >= 0:
        if start > position:
            yield text[position:start]
        position = _end(text, start + 2)
        yield _expression(text[start + 2 : position - 1])
    if position < len(text):
        yield text[position:]


def _end(text: str, position: int) -> int:
    """Return where an expression that begins here has its closing brace, and one more."""
    depth = 1
    while depth:
        if position == len(text):
            raise Unsayable("an expression has no end")
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        position += 1
    return position


def _expression(text: str) -> Name | Computed:
    if call := _CALL.match(text):
        return Computed(call[1], tuple(_parts(call[2])))
    if _NAME.match(text):
        return Name(text)
    raise Unsayable(f"computes {text.partition(':')[0]}")
