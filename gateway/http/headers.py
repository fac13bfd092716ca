"""What of a proxied message is meant for the next hop only, and which paths lead out of where they begin."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from urllib.parse import unquote, urlsplit

# hygiene: What of a proxied message is meant for the next hop only, and which paths lead out of where they begin.

Headers = Mapping[str, str]
Pairs = tuple[tuple[str, str], ...]

#: RFC 9110, 7.6.1, and those that RFC 2616, 13.5.1 named, which are still sent.
HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip


def strip_hop_by_hop(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """Headers less the hop-by-hop ones and those that ``Connection`` names; order and duplicates kept."""
    kept = tuple(pairs)
    named = ",".join(value for name, value in kept if name.lower() == "connection").lower()
    dropped = HOP_BY_HOP | {name.strip() for name in named.split(",")}
    return drop_headers(kept, dropped)


def drop_headers(pairs: Iterable[tuple[str, str]], names: Collection[str]) -> Pairs:
    """Headers less those of these names, written with ``_`` for ``-`` too: some servers take the one for the other.

    :param names: in lower case.
    """
    return tuple(
        (name, value) for name, value in pairs if name.lower().replace("_", "-") not in names
    )


def group_by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """By name in lower case: the name as it was written first, and the values of its lines."""
    groups: dict[str, list[str]] = {}
    for name, value in pairs:
        groups.setdefault(name.lower(), [name]).append(value)
    return groups


def join_values(name: str, values: Iterable[str]) -> str:
    """Lines of one name as a single one (RFC 9110, 5.3; RFC 9113, 8.2.3)."""
    return ("; " if name.lower() == "cookie" else ", ").join(values)


def has_dot_segments(path: str) -> bool:
    """Whether a quoted path has a ``.`` or ``..`` in it, however often it is quoted and whatever counts as a slash."""
    while (plain := unquote(path)) != path:
        path = plain
    return any(part.partition(";")[0] in (".", "..") for part in re.split(r"[/\\]", path))


def path_allowed(path: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns, such as ``/v3/*``, covers the path, quoted as it came."""
    return any(fnmatchcase(path or "/", pattern) for pattern in patterns)


# rebase: Where a proxied answer sends its caller on to, and where its cookies go back to: the gate, and no other
# service.

CHANGED = frozenset({"location", "content-location", "link", "set-cookie"})
PORTS = {"http": 80, "https": 443}
_PARTS = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(.*)", re.DOTALL
)  # RFC 3986, appendix B
_LINK = re.compile(r'"(?:[^"\\]|\\.)*"|<([^>]*)>')  # RFC 8288: a quoted parameter, or a target
Origin = tuple[str, str, int | None]


class Rebaser:
    """One service's addresses, and what they are at the gate.

    :param urls: its base URLs.
    """

    def __init__(self, urls: Iterable[str]) -> None:
        bases = [(_origin(*urlsplit(url)[:2]), urlsplit(url).path) for url in urls]
        self._bases = sorted(bases, key=lambda base: len(base[1]), reverse=True)

    def headers(self, pairs: Pairs, base_url: str, path: str, gate: str) -> Pairs:
        """An answer's headers as the caller gets them.

        :param base_url: with ``path``, the URL that was asked.
        :param gate: this service's URL at the gate, as the caller sees it.
        """

        def changed(name: str, value: str) -> str:
            if name == "set-cookie":
                return _cookie(value, base_url, path, gate)
            return (
                _LINK.sub(target, value)
                if name == "link"
                else self.reference(value, base_url + path, gate)
            )

        def target(found: re.Match[str]) -> str:
            return (
                found[0]
                if found[1] is None
                else f"<{self.reference(found[1], base_url + path, gate)}>"
            )

        return tuple(
            (name, changed(name.lower(), value) if name.lower() in CHANGED else value)
            for name, value in pairs
        )

    def reference(self, text: str, url: str, gate: str) -> str:
        """One URL or path, which leads to the gate if it led to the service; another host's stays as it is.

        :param url: what it is relative to.
        """
        scheme, authority, path, rest = _parts(text)
        path_only = scheme is None and authority is None
        absolute = path.startswith("/") or not path_only
        if not absolute and not has_dot_segments(path):
            return text
        asked = urlsplit(url)
        try:
            origin = _origin(
                scheme or asked.scheme, asked.netloc if authority is None else authority
            )
        except ValueError:
            return text
        path = _without_dots(path if absolute else f"{asked.path.rpartition('/')[0]}/{path}")
        inside = self._inside(origin, path)
        if inside is None and not path_only:
            return text
        if inside is None:
            inside = path  # or it would be an address of the gate's own
        if has_dot_segments(inside):
            inside = inside.replace(
                "%", "%25"
            )  # quoted dots, which a client would follow and the gate refuses
        return (urlsplit(gate).path if path_only else gate) + inside + rest

    def _inside(self, origin: Origin, path: str) -> str | None:
        """The path below a base URL; None where it is below none."""
        return next(
            (
                path[len(base) :]
                for own, base in self._bases
                if _same(origin, own) and _below(path, base)
            ),
            None,
        )


def _cookie(text: str, base_url: str, path: str, gate: str) -> str:
    """A cookie for this service at the gate only: no ``Domain``, and its ``Path`` below the service's."""
    pair, *attributes = text.split(";")
    named = [(attribute.partition("=")[0].strip().lower(), attribute) for attribute in attributes]
    others = [attribute for name, attribute in named if name not in ("domain", "path")]
    paths = [attribute.partition("=")[2].strip() for name, attribute in named if name == "path"]
    base = urlsplit(base_url).path
    scope = paths[-1] if paths and paths[-1].startswith("/") else f"{base}{path}".rpartition("/")[0]
    scope = _without_dots(scope)
    if _below(scope, base):
        scope = scope[len(base) :]
    elif _below(base, scope.rstrip("/")):
        scope = ""
    return ";".join([pair, *others, f" Path={urlsplit(gate).path}{'' if scope == '/' else scope}"])


def _origin(scheme: str, authority: str) -> Origin:
    """:raises ValueError: no possible host or port."""
    parts = urlsplit(f"{scheme.lower()}://{authority}")
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or PORTS.get(parts.scheme)


def _same(origin: Origin, own: Origin) -> bool:
    """Also plain HTTP of a service that is asked by TLS, as it says where a proxy of its own ends TLS."""
    return origin == own or (origin == ("http", own[1], 80) and own == ("https", own[1], 443))


def _parts(text: str) -> tuple[str | None, str | None, str, str]:
    """Scheme, authority, path, and the rest; a backslash before that is a slash, as browsers read it."""
    head = re.split(r"[?#]", text, maxsplit=1)[0]
    found = _PARTS.fullmatch(head.replace("\\", "/") + text[len(head) :])
    assert found
    scheme, authority, path, rest = found.groups()
    return scheme, authority, path, rest


def _below(path: str, base: str) -> bool:
    return path == base or path.startswith(base + "/")


def _without_dots(path: str) -> str:
    """RFC 3986, section 5.2.4; empty segments stay."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1] or [""]
        elif segment != ".":
            kept.append(segment)
    if path.rpartition("/")[2] in (".", ".."):
        kept.append("")
    return "/".join(kept)
