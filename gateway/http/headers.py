"""Headers of proxied messages: those meant for the next hop go no further."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gateway.streams import Pairs

#: RFC 9110, 7.6.1, and those that RFC 2616, 13.5.1 named, which are still sent.
HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip


def strip_hop_by_hop(pairs: Sequence[tuple[str, str]]) -> Pairs:
    """Drop hop-by-hop headers and those that ``Connection`` names; the others stay in order."""
    dropped = HOP_BY_HOP
    for name, value in pairs:
        if name.lower() == "connection":
            dropped |= connection_options(value)
    return drop_headers(pairs, dropped)


def connection_options(value: str) -> set[str]:
    """Return the names in a ``Connection`` header, in lower case."""
    return set(map(str.strip, value.lower().split(",")))


def drop_headers(pairs: Iterable[tuple[str, str]], names: Collection[str]) -> Pairs:
    """Drop headers of these names, written with ``_`` for ``-`` too, as some servers read them.

    :param names: in lower case.
    """
    return tuple(pair for pair in pairs if pair[0].lower().replace("_", "-") not in names)


def group_by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return, by name in lower case, the name as first written and the values of its lines."""
    groups: dict[str, list[str]] = {}
    for name, value in pairs:
        groups.setdefault(name.lower(), [name]).append(value)
    return groups


def join_values(name: str, values: Iterable[str]) -> str:
    """Write lines of one name as a single one (RFC 9110, 5.3; RFC 9113, 8.2.3)."""
    separator = "; " if name.lower() == "cookie" else ", "
    return separator.join(values)


def join_lines(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the values by name in lower case, those of one name as a single one."""
    groups = group_by_name(pairs).items()
    return {name: join_values(name, values) for name, (_, *values) in groups}
