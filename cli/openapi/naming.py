"""Names for services and methods, out of whatever the vendor calls them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

# naming: Names for services and methods, out of whatever the vendor calls them.

LONGEST = 64


def snake(text: str) -> str:
    """``repos/list-forUser`` -> ``repos_list_for_user``; empty where nothing of it is ASCII letters or digits."""
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()[:LONGEST].rstrip("_")


class Names:
    """Gives each name once: the second ``find`` is ``find_2``."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, name: str) -> str:
        made, number = name, 1
        while made in self._taken:
            number += 1
            made = f"{name[: LONGEST - len(str(number)) - 1]}_{number}"
        self._taken.add(made)
        return made


# media: Media types -> the ``body`` and ``response`` a method declares.

_BODIES = ("json", "form", "multipart", "xml", "raw")
_RESPONSES = ("json", "xml", "text", "bytes")
_JSON = re.compile(r"(application|text)/json|\*/\*|[^;]*\+json")
_XML = re.compile(r"(application|text)/xml|[^;]*\+xml")
PRINTABLE = re.compile(r"[!-~]+/[ -~]+")


def bare(media: str) -> str:
    return media.partition(";")[0].strip().lower()


def body_of(media: str) -> str:
    kind = bare(media)
    if kind == "application/x-www-form-urlencoded":
        return "form"
    if kind.startswith("multipart/"):
        return "multipart"
    return _structured(kind) or "raw"


def response_of(media: str) -> str:
    kind = bare(media)
    return _structured(kind) or ("text" if kind.startswith("text/") else "bytes")


def best_body(medias: Iterable[str]) -> str | None:
    """The one whose content callers can give most easily; of equals the plainest, then the first."""
    return _best(medias, lambda media: _BODIES.index(body_of(media)))


def best_response(medias: Iterable[str]) -> str | None:
    return _best(medias, lambda media: _RESPONSES.index(response_of(media)))


def _best(medias: Iterable[str], rank: Callable[[str], int]) -> str | None:
    known = [media for media in medias if PRINTABLE.fullmatch(media) and "${" not in media]
    return min(known, key=lambda media: (rank(media), "+" in media or ";" in media), default=None)


def _structured(kind: str) -> str | None:
    return "json" if _JSON.fullmatch(kind) else "xml" if _XML.fullmatch(kind) else None
