"""The small language in which a signature is described: text with ``{name}`` and ``{name|filter|filter}`` in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

PLACE = re.compile(r"\{([a-z_][a-z0-9_]*(?::[A-Za-z0-9-]+)?)((?:\|[a-z0-9]+)*)\}")
FILTERS = ("md5", "sha1", "sha256", "sha512", "base64", "quote", "lower", "upper")

#: What is known of every request. ``header:NAME`` is a header's text, empty where there is none.
REQUEST_FACTS = (
    "method", "host", "path", "query", "sorted_query", "body", "params", "nonce",
    "unix", "unix_ms", "iso8601", "date", "http_date", "china_time",
)  # fmt: skip


def pieces(template: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """A template cut up: the text before a place, the place's name and its filters; at the end text alone."""
    at = 0
    for found in PLACE.finditer(template):
        yield template[at : found.start()], found[1], tuple(found[2].split("|")[1:])
        at = found.end()
    yield template[at:], "", ()


def names_in(template: str) -> set[str]:
    return {name for _, name, _ in pieces(template) if name}


def problems(template: str, known: Iterable[str]) -> Iterator[str]:
    """What is wrong with a template, as the catalog's checker says it."""
    for _, name, filters in pieces(template):
        if name and name not in known and not name.startswith("header:"):
            yield f"{{{name}}} is not known here; known: {', '.join(sorted(known))}, header:NAME"
        for each in filters:
            if each not in FILTERS:
                yield f"|{each} is no filter; use one of: {', '.join(FILTERS)}"


def reach(templates: dict[str, str], start: str, seen: tuple[str, ...] = ()) -> set[str]:
    """Every name that one template needs, by way of others, too.

    :raises ValueError: with the name of one that needs itself.
    """
    if start in seen:
        raise ValueError(start)
    found = names_in(templates[start])
    return found.union(*(reach(templates, each, (*seen, start)) for each in found & templates.keys()))
