"""Parses large JSON in steps: the C scanner holds up every other greenlet and thread."""

from __future__ import annotations

import re
from collections.abc import Callable
from json import JSONDecodeError, JSONDecoder
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

STEP_CHARACTERS = 16_384  # that the scanner reads at once: well below a millisecond
MAX_SINGLE_MEMBERS = 64  # members taken one by one before several are tried again
_BLANKS = re.compile(r"[ \t\n\r]*")


class SteppedDecoder:
    """Reads one text as ``decoder`` would.

    What is small is given to the scanner whole. Of a large list or object it gets as many members
    at once as end before a comma within a step: had the comma been inside of a member, the brackets
    would not match.

    :param pause: called between two steps.
    :param unique: a key may be given once in an object.
    """

    def __init__(
        self, text: str, decoder: JSONDecoder, pause: Callable[[], None], *, unique: bool
    ) -> None:
        self._text = text
        self._scan = decoder.scan_once  # type: ignore[attr-defined]
        self._pause = pause
        self._unique = unique

    def decode(self) -> Any:
        """:raises ValueError: it is not JSON, or has what the decoder refuses."""
        value, end = self._value(self._after_blanks(0))
        end = self._after_blanks(end)
        if end != len(self._text):
            raise JSONDecodeError("Extra data", self._text, end)
        return value

    def _after_blanks(self, at: int) -> int:
        match = _BLANKS.match(self._text, at)
        assert match
        return match.end()

    def _value(self, at: int) -> tuple[Any, int]:
        opening = self._text[at : at + 1]
        if opening not in ("[", "{"):
            return self._scalar(at)
        value, length = self._scan_whole(self._text[at : at + STEP_CHARACTERS])
        if length:
            return value, at + length
        if opening == "[":
            return self._list(at + 1)
        return self._object(at + 1)

    def _scalar(self, at: int) -> tuple[Any, int]:
        try:
            value, end = self._scan(self._text, at)
        except StopIteration as error:
            raise JSONDecodeError("Expecting value", self._text, at) from error
        return value, end

    def _scan_whole(self, text: str) -> tuple[Any, int]:
        """Return the list or object at the beginning, and its length; 0 if it has no end."""
        try:
            value, end = self._scan(text, 0)
        except (JSONDecodeError, StopIteration):
            return None, 0
        return value, end

    def _list(self, at: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        at = self._after_blanks(at)
        if self._text[at : at + 1] == "]":
            return items, at + 1
        run = _Run(self._text, "[]", self._scan_whole)
        while True:
            self._pause()
            several, at = run.take(at)
            if several:
                items += several
                at = self._after_blanks(at)
                continue
            item, at = self._value(at)
            items.append(item)
            at, ended = self._next(at, "]", run)
            if ended:
                return items, at

    def _object(self, at: int) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        at = self._after_blanks(at)
        if self._text[at : at + 1] == "}":
            return members, at + 1
        run = _Run(self._text, "{}", self._scan_whole)
        while True:
            self._pause()
            several, at = run.take(at)
            if several:
                self._add(members, several)
                at = self._after_blanks(at)
                continue
            name, at = self._name(at)
            value, at = self._value(at)
            self._add(members, {name: value})
            at, ended = self._next(at, "}", run)
            if ended:
                return members, at

    def _add(self, members: dict[str, Any], several: dict[str, Any]) -> None:
        if self._unique and not members.keys().isdisjoint(several):
            raise ValueError("the same key is given twice in one object")
        members.update(several)

    def _name(self, at: int) -> tuple[str, int]:
        if self._text[at : at + 1] != '"':
            raise JSONDecodeError(
                "Expecting property name enclosed in double quotes", self._text, at
            )
        name, at = scanstring(self._text, at + 1, True)
        at = self._after_blanks(at)
        if self._text[at : at + 1] != ":":
            raise JSONDecodeError("Expecting ':' delimiter", self._text, at)
        return name, self._after_blanks(at + 1)

    def _next(self, at: int, closing: str, run: _Run) -> tuple[int, bool]:
        """Return where the next member begins, or what follows the end; and which of the two."""
        run.note_end(self._text[at - 1])
        at = self._after_blanks(at)
        character = self._text[at : at + 1]
        if character == closing:
            return at + 1, True
        if character != ",":
            raise JSONDecodeError("Expecting ',' delimiter", self._text, at)
        return self._after_blanks(at + 1), False


class _Run:
    """Takes several members of a list or object at once; where that fails, a while one by one.

    :param brackets: the two around them.
    """

    def __init__(
        self, text: str, brackets: str, scan_whole: Callable[[str], tuple[Any, int]]
    ) -> None:
        self._text = text
        self._opening = brackets[0]
        self._closing = brackets[1]
        self._scan_whole = scan_whole
        self._mark = ","
        self._singles = 0
        self._remaining_singles = 0

    def note_end(self, character: str) -> None:
        """Note how the last member ended: the next ones probably do so, too."""
        self._mark = ","
        if character in ("]", "}"):
            self._mark = f"{character},"

    def take(self, at: int) -> tuple[Any, int]:
        """Return several members, none where one is to be taken alone, and where they end."""
        if self._remaining_singles:
            self._remaining_singles -= 1
            return None, at
        cut = self._text.rfind(self._mark, at, at + STEP_CHARACTERS)
        if cut > at:
            cut += len(self._mark) - 1
            several, length = self._scan_whole(
                f"{self._opening}{self._text[at:cut]}{self._closing}"
            )
            if length == cut - at + 2:
                self._singles = 0
                return several, cut + 1
        self._singles = min(2 * self._singles + 1, MAX_SINGLE_MEMBERS)
        self._remaining_singles = self._singles
        return None, at
