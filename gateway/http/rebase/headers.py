"""A service's addresses in an answer's headers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from gateway.http.paths import has_dot_segments
from gateway.http_messages import DEFAULT_PORTS
from gateway.streams import Pairs

#: RFC 3986, appendix B.
_PARTS = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(.*)", re.DOTALL)
#: RFC 8288: a quoted parameter, or a target. It never scans the same text twice: a service may send
#: 64 KiB of quotes or brackets that nothing closes.
_LINK = re.compile(r'"(?:[^"\\]|\\.)*+"?|<([^<>]*+)>')
Origin = tuple[str, str, int | None]


class Rebaser:
    """Rewrites a service's addresses, which are below its base URLs, into those at the gate."""

    def __init__(self, urls: Iterable[str]) -> None:
        bases = [(_origin(*urlsplit(url)[:2]), urlsplit(url).path) for url in urls]
        self._bases = sorted(bases, key=lambda base: len(base[1]), reverse=True)

    def headers(self, pairs: Pairs, base_url: str, path: str, gate_url: str) -> Pairs:
        """Return an answer's headers as the caller gets them.

        :param base_url: with ``path``, the URL that was asked.
        :param gate_url: this service's URL at the gate, as the caller sees it.
        """

        def rebase_link(match: re.Match[str]) -> str:
            target = match[1]
            if target is None:
                return match[0]
            return f"<{self.reference(target, base_url + path, gate_url)}>"

        rebased = []
        for name, value in pairs:
            lower = name.lower()
            text = value
            if lower == "set-cookie":
                text = _rebase_cookie(value, base_url, path, gate_url)
            elif lower == "link":
                text = _LINK.sub(rebase_link, value)
            elif lower in ("location", "content-location"):
                text = self.reference(value, base_url + path, gate_url)
            rebased.append((name, text))
        return tuple(rebased)

    def reference(self, text: str, url: str, gate_url: str) -> str:
        """Return one URL or path, which leads to the gate if it led to the service.

        That of another host stays as it is.

        :param url: what it is relative to.
        """
        scheme, authority, path, rest = _split(text)
        path_only = scheme is None and authority is None
        absolute = path.startswith("/") or not path_only
        if not absolute and not has_dot_segments(path):
            return text
        request_url = urlsplit(url)
        if authority is None:
            authority = request_url.netloc
        try:
            origin = _origin(scheme or request_url.scheme, authority)
        except ValueError:
            return text
        if not absolute:
            path = f"{request_url.path.rpartition('/')[0]}/{path}"
        path = _remove_dot_segments(path)
        below = self._below_base(origin, path)
        if below is None:
            if not path_only:
                return text
            below = path  # or it would be an address of the gate's own
        if has_dot_segments(below):
            # Quoted dots, which a client would follow and the gate refuses.
            below = below.replace("%", "%25")
        base = urlsplit(gate_url).path if path_only else gate_url
        return base + below + rest

    def _below_base(self, origin: Origin, path: str) -> str | None:
        """Return the path below a base URL; None where it is below none."""
        for base_origin, base_path in self._bases:
            if _same_origin(origin, base_origin) and _is_below(path, base_path):
                return path[len(base_path) :]
        return None


def _rebase_cookie(text: str, base_url: str, path: str, gate_url: str) -> str:
    """Bind a cookie to this service at the gate: no ``Domain``, a ``Path`` below the service's."""
    pair, *attributes = text.split(";")
    named = [(attribute.partition("=")[0].strip().lower(), attribute) for attribute in attributes]
    attributes = [attribute for name, attribute in named if name not in ("domain", "path")]
    paths = [attribute.partition("=")[2].strip() for name, attribute in named if name == "path"]
    base = urlsplit(base_url).path
    scope = f"{base}{path}".rpartition("/")[0]
    if paths and paths[-1].startswith("/"):
        scope = paths[-1]
    scope = _remove_dot_segments(scope)
    if _is_below(scope, base):
        scope = scope[len(base) :]
    elif _is_below(base, scope.rstrip("/")):
        scope = ""
    if scope == "/":
        scope = ""
    return ";".join([pair, *attributes, f" Path={urlsplit(gate_url).path}{scope}"])


def _origin(scheme: str, authority: str) -> Origin:
    """:raises ValueError: no possible host or port."""
    parts = urlsplit(f"{scheme.lower()}://{authority}")
    return (
        parts.scheme,
        (parts.hostname or "").rstrip("."),
        parts.port or DEFAULT_PORTS.get(parts.scheme),
    )


def _same_origin(origin: Origin, base: Origin) -> bool:
    """Return whether they are the same.

    A service asked by TLS may call itself plain HTTP, where a proxy of its own ends TLS.
    """
    if origin == base:
        return True
    return origin == ("http", base[1], 80) and base == ("https", base[1], 443)


def _split(text: str) -> tuple[str | None, str | None, str, str]:
    """Return scheme, authority, path and rest; before that, ``\\`` is a slash, as in browsers."""
    head = re.split(r"[?#]", text, maxsplit=1)[0]
    match = _PARTS.fullmatch(head.replace("\\", "/") + text[len(head) :])
    assert match
    scheme, authority, path, rest = match.groups()
    return scheme, authority, path, rest


def _is_below(path: str, base: str) -> bool:
    return path == base or path.startswith(base + "/")


def _remove_dot_segments(path: str) -> str:
    """RFC 3986, section 5.2.4; empty segments stay."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1] or [""]
        elif segment != ".":
            segments.append(segment)
    if path.rpartition("/")[2] in (".", ".."):
        segments.append("")
    return "/".join(segments)
