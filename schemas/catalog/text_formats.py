"""What OpenAPI's ``format`` asks of a text.

check = TEXT_FORMATS["date"]()
check("2024-02-29")
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

from marshmallow import ValidationError, validate

# RFC 3986, appendix A; a web URL has a host, too (RFC 9110, 4.2). Possessive, so that a long text
# takes linear time.
_QUOTED = "%[0-9A-Fa-f]{2}"
_PLAIN = "-A-Za-z0-9._~!$&'()*+,;="


def _run(characters: str) -> str:
    return f"[{characters}]*+(?:{_QUOTED}[{characters}]*+)*+"


_HOST = rf"(?:\[(?:[0-9A-Fa-f:.]++|[vV][0-9A-Fa-f]++\.[{_PLAIN}:]++)\]|{_run(_PLAIN)})"
_AUTHORITY = rf"(?:{_run(_PLAIN + ':')}@)?{_HOST}(?::[0-9]*+)?"
_PATH = _run(f"{_PLAIN}:@/")
_TAIL = _run(f"{_PLAIN}:@/?")
_URI = (
    r"(?![Hh][Tt][Tt][Pp][Ss]?:(?!//[^/?#:@]))[A-Za-z][A-Za-z0-9+.-]*:"
    rf"(?://{_AUTHORITY}(?:/{_PATH})?|(?!//){_PATH})(?:\?{_TAIL})?(?:#{_TAIL})?\Z"
)
_TIME = (
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)


class _Calendar:
    """A day that the calendar has, and what a pattern has behind it (RFC 3339, 5.6)."""

    def __init__(self, time: str, error: str) -> None:
        self._pattern = re.compile(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}){time}")
        self._error = error

    def __call__(self, value: str) -> None:
        match = self._pattern.fullmatch(value)
        try:
            date.fromisoformat(match[1] if match else "")
        except ValueError:
            raise ValidationError(self._error) from None


#: By the name of the format, what makes its check.
TEXT_FORMATS: dict[str, Callable[[], Callable[[str], Any]]] = {
    "email": validate.Email,
    "uri": lambda: validate.Regexp(
        _URI, error="Not a URI (RFC 3986), such as https://example.com/a or mailto:a@b.c."
    ),
    "uuid": lambda: validate.Regexp(
        r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z", error="Not a UUID."
    ),
    "date": lambda: _Calendar("", "Not a date (YYYY-MM-DD)."),
    "date-time": lambda: _Calendar(_TIME, "Not an RFC 3339 date-time."),
}
