"""What somebody probably meant: ``similar("apikey", ["api_key"]) == "api_key"``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

MIN_SIMILARITY = 0.7  # of two words, by difflib
MIN_PART_LETTERS = 3  # of a word that is only part of a name
#: Words of programming languages, frameworks and HTTP, by what a catalog calls the same.
SYNONYMS: Mapping[str, str] = {
    "int": "integer",
    "long": "integer",
    "str": "string",
    "bool": "boolean",
    "float": "number",
    "decimal": "number",
    "list": "array",
    "dict": "object",
    "map": "object",
    "attempts": "times",
    "retries": "times",
    "max_attempts": "times",
    "location": "in",
    "place": "in",
    "application/json": "json",
    "multipart/form-data": "multipart",
    "form-data": "multipart",
    "x-www-form-urlencoded": "form",
    "application/x-www-form-urlencoded": "form",
    "urlencoded": "form",
    "application/xml": "xml",
    "text/xml": "xml",
    "text/plain": "text",
    "binary": "bytes",
    "min": "minimum",
    "max": "maximum",
    "datetime": "date-time",
    "url": "uri",
}


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
