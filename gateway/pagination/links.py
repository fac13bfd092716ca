"""The ``Link`` header (RFC 8288): which URL it gives for a relation.

target = link_target(response.headers.get("link", ""), "next")
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_HEADER_CHARACTERS = 16_384
_LINK = re.compile(r"\s*<([^>]*)>((?:[^,\"]|\"(?:[^\"\\]|\\.)*\")*)(?:,|\Z)")
_PARAM = re.compile(r";\s*([^\s=;,\"]+)\s*(?:=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;,\"]*)))?\s*")


def link_target(header: str, relation: str) -> str | None:
    """Return the target of the first link with this relation; None where there is none.

    A link with an ``anchor`` speaks of another page than the one that was answered; one with
    ``results="false"`` says of itself that it leads nowhere, as Sentry's do.

    :param header: the values of all lines, joined with commas.
    """
    for target, params in _links(header[:MAX_HEADER_CHARACTERS]):
        if "anchor" in params or params.get("results") == "false":
            continue
        if relation in params.get("rel", "").lower().split():
            return target
    return None


def _links(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield targets with their parameters, of which the first of a name counts."""
    place = 0
    while match := _LINK.match(header, place):
        params: dict[str, str] = {}
        for name, quoted, plain in _PARAM.findall(match[2]):
            value = re.sub(r"\\(.)", r"\1", quoted) or plain
            params.setdefault(name.lower(), value)
        yield match[1], params
        place = match.end()
