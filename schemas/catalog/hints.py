"""What somebody probably meant: ``similar("apikey", ["api_key"]) == "api_key"``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

MIN_SIMILARITY = 0.7  # of two words, by difflib
MIN_PART_LETTERS = 3  # of a word that is only part of a name
#: By what a catalog calls it, the words of languages, frameworks and HTTP for the same.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "integer": ("int", "long"),
    "string": ("str",),
    "boolean": ("bool",),
    "number": ("float", "decimal"),
    "array": ("list",),
    "object": ("dict", "map"),
    "times": ("attempts", "retries", "max_attempts"),
    "in": ("location", "place"),
    "json": ("application/json",),
    "multipart": ("multipart/form-data", "form-data"),
    "form": ("x-www-form-urlencoded", "application/x-www-form-urlencoded", "urlencoded"),
    "xml": ("application/xml", "text/xml"),
    "text": ("text/plain",),
    "bytes": ("binary",),
    "minimum": ("min",),
    "maximum": ("max",),
    "date-time": ("datetime",),
    "uri": ("url",),
}
SYNONYMS = {word: name for name, words in _WORDS.items() for word in words}


def similar(word: object, candidates: Iterable[str]) -> str | None:
    """Return the known name that a word most likely stands for, if there is one."""
    names = list(candidates)
    text = str(word).strip()
    lower = text.lower()
    for name in names:
        if lower == name.lower():
            return name
    synonym = SYNONYMS.get(lower)
    if synonym in names:
        return synonym
    for near in difflib.get_close_matches(text, names, 1, MIN_SIMILARITY):
        return near
    if len(lower) < MIN_PART_LETTERS:
        return None
    for name in names:
        if any(part.startswith(lower) for part in name.lower().split("_")):
            return name
    return None


def did_you_mean(word: object, candidates: Iterable[str]) -> str:
    """Return the end of a message that names what is similar to a word; empty if nothing is."""
    name = similar(word, candidates)
    if name is None:
        return ""
    return f"; did you mean {name!r}?"
