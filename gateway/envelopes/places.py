"""Places in an answer: a dotted path into the reply, or ``header:NAME``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.bodies.json import MISSING, find_value
from gateway.http_messages import HttpResponse

MAX_MESSAGE_CHARACTERS = 2000  # of a vendor's; the log cuts it shorter, once it is masked
_HEADER = "header:"


def lookup(response: HttpResponse, reply: Any, place: list[str]) -> Any:
    """Return what stands at a place in the headers or in the reply."""
    if place[0].startswith(_HEADER):
        return response.headers.get(place[0].removeprefix(_HEADER))
    return find_value(reply, place)


def find_text(response: HttpResponse, reply: Any, places: Iterable[list[str]]) -> str:
    """Return the text at the first of these places that has any; nothing where none has."""
    for place in places:
        text = lookup(response, reply, place)
        if text not in (MISSING, None, "") and not isinstance(text, dict | list):
            return str(text)[:MAX_MESSAGE_CHARACTERS]
    return ""


def split_places(declared: str | list[str]) -> tuple[list[str], ...]:
    """Return a path for each place; ``header:NAME`` is one step."""
    places = [declared] if isinstance(declared, str) else declared
    return tuple(
        [place.lower()] if place.startswith(_HEADER) else place.split(".") for place in places
    )
