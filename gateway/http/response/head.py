"""The head of an answer: read as generously as RFC 9112 lets a client be, and never in two ways."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.errors import BadResponse

MAX_HEAD_BYTES = 65536
MAX_REMEMBERED_LINES = 4096  # most come again and again
MAX_REMEMBERED_CHARACTERS = 256  # of one line
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 # RFC 9110, 5.6.2
_TEXT = r"[^\x00-\x08\x0a-\x1f\x7f]*"
_STATUS = re.compile(r"HTTP/1\.([0-9]) +([1-9][0-9]{2})(?:[ \t]+(.*))?[ \t]*")
_EXACT_STATUS = re.compile(rf"HTTP/1\.[01] [1-9][0-9]{{2}}(?: {_TEXT})?")
_EXACT_LINE = re.compile(rf"({_TOKEN}):({_TEXT})")
_NAME = re.compile(_TOKEN)
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Headers(dict[str, str]):
    """Values by their headers' names in lower case; a name in any case finds one."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


@dataclass(slots=True)
class Head:
    """Status line and headers.

    :param minor: of the version: 1 in ``HTTP/1.1``.
    :param lines: one for each header, as it came.
    :param pairs: of each its name in lower case, and its value.
    :param exact: it is as RFC 9112 says; otherwise something was overlooked.
    :param lines_end_in_lf: at least one line has no CR.
    """

    minor: int
    status: int
    reason: str
    lines: list[str]
    pairs: list[tuple[str, str]]
    exact: bool = True
    lines_end_in_lf: bool = False

    def to_dict(self) -> dict[str, str]:
        """Return the headers by lower-case names; those of one name are joined with a comma."""
        headers: dict[str, str] = {}
        for name, text in self.pairs:
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
        return headers

    def sanitize(self) -> list[tuple[str, str]]:
        """Return the headers in order: none without a name, none with control characters."""
        pairs = []
        for line in self.lines:
            name, _, value = line.partition(":")
            if self.exact or _NAME.fullmatch(name):
                pairs.append((name, _CONTROLS.sub(" ", value.strip(" \t"))))
        return pairs


def end_of_head(data: bytes, start: int) -> int:
    """Return where the empty line ends that ends a head; -1 if it has not come."""
    strict = data.find(b"\n\r\n", start)
    # Not beyond it: a body may be long.
    lenient = data.find(b"\n\n", start, strict if strict >= 0 else len(data))
    if lenient >= 0:
        return lenient + 2
    if strict < 0:
        return -1
    return strict + 3


def read_head(data: bytes) -> Head:
    """Parse a head, with or without the empty line that ends it.

    :raises BadResponse: it is not HTTP/1, or has what can be read in two ways.
    """
    text = data.decode("latin-1").rstrip("\r\n")
    first, *lines = text.split("\r\n")
    pairs = []
    for line in lines:
        read = _read_line_once if len(line) <= MAX_REMEMBERED_CHARACTERS else _read_line
        if pair := read(line):
            pairs.append(pair)
    if len(pairs) < len(lines) or not _EXACT_STATUS.fullmatch(first):
        return _read_inexact(text)
    minor, status, reason = _read_status(first)
    return Head(minor, status, reason, lines, pairs)


def _read_line(line: str) -> tuple[str, str] | None:
    """Return the name in lower case and the value; None if the line is not as RFC 9112 says."""
    match = _EXACT_LINE.fullmatch(line)
    return (match[1].lower(), match[2].strip(" \t")) if match else None


_read_line_once = lru_cache(maxsize=MAX_REMEMBERED_LINES)(_read_line)


@lru_cache(maxsize=64)  # few are ever sent
def _read_status(line: str) -> tuple[int, int, str]:
    """Return the version's minor, the status and the reason."""
    match = _STATUS.fullmatch(line)
    if match is None:
        raise BadResponse(detail="not HTTP: no status line")
    return int(match[1]), int(match[2]), match[3] or ""


def _read_inexact(text: str) -> Head:
    first, *raw_lines = _unfold(text)
    minor, status, reason = _read_status(first)
    lines = [_tidy(line) for line in raw_lines]
    pairs = []
    for line in lines:
        name, _, value = line.partition(":")
        pairs.append((name.lower(), value.strip(" \t")))
    head = Head(minor, status, _CONTROLS.sub(" ", reason), lines, pairs, exact=False)
    head.lines_end_in_lf = text.count("\n") > text.count("\r\n")
    return head


def _unfold(text: str) -> list[str]:
    """Split at CRLF or LF (RFC 9112, 2.2), and join lines that go on in the next (5.2)."""
    lines: list[str] = []
    for raw_line in text.split("\n"):
        line = raw_line.removesuffix("\r")
        if "\r" in line or "\0" in line:
            raise BadResponse(detail="not HTTP: a CR or NUL inside of a line")
        if line[:1] not in (" ", "\t"):
            lines.append(line)
        elif len(lines) > 1:
            lines[-1] += " " + line.strip(" \t")
        else:
            raise BadResponse(detail="not HTTP: the first header begins with a blank")
    return lines


def _tidy(line: str) -> str:
    """Drop blanks before the colon of a header line (RFC 9112, 5.1)."""
    name, colon, value = line.partition(":")
    if not colon:
        raise BadResponse(detail="not HTTP: a header without a colon")
    name = name.rstrip(" \t")
    return f"{name}:{value}"
