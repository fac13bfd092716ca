"""What a catalog calls services, methods and media types, by what the vendor calls them."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable

MAX_NAME_CHARACTERS = 64


def snake(text: str) -> str:
    """Turn ``repos/list-forUser`` into ``repos_list_for_user``; only ASCII is left."""
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()[:MAX_NAME_CHARACTERS].rstrip("_")


def unique(name: str, names: Container[str]) -> str:
    """Return a name that is none of these: for a second ``find`` ``find_2``."""
    candidate = name
    number = 1
    while candidate in names:
        number += 1
        suffix = f"_{number}"
        candidate = name[: MAX_NAME_CHARACTERS - len(suffix)] + suffix
    return candidate


_BODIES = ("json", "form", "multipart", "xml", "raw")
_RESPONSES = ("json", "xml", "text", "bytes")
_JSON = re.compile(r"(application|text)/json|\*/\*|[^;]*\+json")
_XML = re.compile(r"(application|text)/xml|[^;]*\+xml")
PRINTABLE = re.compile(r"[!-~]+/[ -~]+")


def bare(media: str) -> str:
    """Return a media type without its parameters, in lower case."""
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
    if structured := _structured(kind):
        return structured
    if kind.startswith("text/"):
        return "text"
    return "bytes"


def best_body(medias: Iterable[str]) -> str | None:
    """Return the type that callers can give most easily; of equals the plainest, then the first."""
    return _best(medias, lambda media: _BODIES.index(body_of(media)))


def best_response(medias: Iterable[str]) -> str | None:
    return _best(medias, lambda media: _RESPONSES.index(response_of(media)))


def _best(medias: Iterable[str], rank: Callable[[str], int]) -> str | None:
    usable = [media for media in medias if PRINTABLE.fullmatch(media) and "${" not in media]
    return min(usable, key=lambda media: (rank(media), "+" in media or ";" in media), default=None)


def _structured(kind: str) -> str | None:
    if _JSON.fullmatch(kind):
        return "json"
    if _XML.fullmatch(kind):
        return "xml"
    return None
