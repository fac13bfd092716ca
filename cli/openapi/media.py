"""Media types -> the ``body`` and ``response`` a method declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

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
