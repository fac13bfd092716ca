"""What of a proxied message is meant for the next hop only, and which paths lead out of where they begin."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from urllib.parse import unquote

Headers = Mapping[str, str]
Pairs = tuple[tuple[str, str], ...]

#: RFC 9110, 7.6.1, and those that RFC 2616, 13.5.1 named, which are still sent.
HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip


def end_to_end(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """Headers less the hop-by-hop ones and those that ``Connection`` names; order and duplicates kept."""
    kept = tuple(pairs)
    named = ",".join(value for name, value in kept if name.lower() == "connection").lower()
    dropped = HOP_BY_HOP | {name.strip() for name in named.split(",")}
    return without(kept, dropped)


def without(pairs: Iterable[tuple[str, str]], names: Collection[str]) -> Pairs:
    """Headers less those of these names, written with ``_`` for ``-`` too: some servers take the one for the other.

    :param names: in lower case.
    """
    return tuple((name, value) for name, value in pairs if name.lower().replace("_", "-") not in names)


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """By name in lower case: the name as it was written first, and the values of its lines."""
    groups: dict[str, list[str]] = {}
    for name, value in pairs:
        groups.setdefault(name.lower(), [name]).append(value)
    return groups


def joined(name: str, values: Iterable[str]) -> str:
    """Lines of one name as a single one (RFC 9110, 5.3; RFC 9113, 8.2.3)."""
    return ("; " if name.lower() == "cookie" else ", ").join(values)


def climbs(path: str) -> bool:
    """Whether a quoted path has a ``.`` or ``..`` in it, however often it is quoted and whatever counts as a slash."""
    while (plain := unquote(path)) != path:
        path = plain
    return any(part.partition(";")[0] in (".", "..") for part in re.split(r"[/\\]", path))


def open_to(path: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns, such as ``/v3/*``, covers the path, quoted as it came."""
    return any(fnmatchcase(path or "/", pattern) for pattern in patterns)
