"""The head of an answer: read as generously as RFC 9112 lets a client be, and never in two ways."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.errors import BadResponse

MAX_HEAD_BYTES = 65536
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 # RFC 9110, 5.6.2
_TEXT = r"[^\x00-\x08\x0a-\x1f\x7f]*"
_STATUS = re.compile(r"HTTP/1\.([0-9]) +([1-9][0-9]{2})(?:[ \t]+(.*))?[ \t]*")
_EXACT = re.compile(rf"HTTP/1\.[01] [1-9][0-9]{{2}}(?: {_TEXT})?(?:\r\n{_TOKEN}:{_TEXT})*")
_PASSING = re.compile(_TOKEN)
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(slots=True)
class Head:
    """Status line and headers.

    :param minor: of the version: 1 in ``HTTP/1.1``.
    :param lines: one for each header, as it came.
    :param exact: it is as RFC 9112 says; otherwise something was overlooked.
    :param lines_end_in_lf: at least one line has no CR.
    """

    minor: int
    status: int
    reason: str
    lines: list[str]
    exact: bool = True
    lines_end_in_lf: bool = False

    def joined(self) -> dict[str, str]:
        """The headers by their names in lower case; those of one name are joined with a comma."""
        headers: dict[str, str] = {}
        for line in self.lines:
            name, _, text = line.partition(":")
            key, value = name.lower(), text.strip(" \t")
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        return headers

    def passing(self) -> list[tuple[str, str]]:
        """The headers in order, as they may be said to somebody else: none without a name, no control characters."""
        pairs = []
        for line in self.lines:
            name, _, value = line.partition(":")
            if self.exact or _PASSING.fullmatch(name):
                pairs.append((name, _CONTROLS.sub(" ", value.strip(" \t"))))
        return pairs


def end_of_head(data: bytes, start: int) -> int:
    """Where the empty line ends that ends a head; -1 if it has not come."""
    strict, lenient = data.find(b"\n\r\n", start), data.find(b"\n\n", start)
    if lenient < 0 or 0 <= strict < lenient:
        return strict + 3 if strict >= 0 else -1
    return lenient + 2


def read_head(data: bytes) -> Head:
    """The head, with or without the empty line that ends it.

    :raises BadResponse: it is not HTTP/1, or has what can be read in two ways.
    """
    text = data.decode("latin-1").rstrip("\r\n")
    exact = _EXACT.fullmatch(text) is not None
    first, *lines = text.split("\r\n") if exact else _unfolded(text)
    status = _STATUS.fullmatch(first)
    if status is None:
        raise BadResponse(detail="not HTTP: no status line")
    head = Head(int(status[1]), int(status[2]), status[3] or "", lines)
    if not exact:
        head.exact = False
        head.lines_end_in_lf = text.count("\n") > text.count("\r\n")
        head.reason = _CONTROLS.sub(" ", head.reason)
        head.lines = [_tidied(line) for line in lines]
    return head


def _unfolded(text: str) -> list[str]:
    """Lines that end in CRLF or LF, with those that go on in the next one put together (RFC 9112, 2.2 and 5.2)."""
    lines: list[str] = []
    for ended in text.split("\n"):
        line = ended.removesuffix("\r")
        if "\r" in line or "\0" in line:
            raise BadResponse(detail="not HTTP: a CR or NUL inside of a line")
        if line[:1] not in (" ", "\t"):
            lines.append(line)
        elif len(lines) > 1:
            lines[-1] += " " + line.strip(" \t")
        else:
            raise BadResponse(detail="not HTTP: the first header begins with a blank")
    return lines


def _tidied(line: str) -> str:
    """A header line without blanks before its colon (RFC 9112, 5.1)."""
    name, colon, value = line.partition(":")
    if not colon:
        raise BadResponse(detail="not HTTP: a header without a colon")
    name = name.rstrip(" \t")
    return f"{name}:{value}"
