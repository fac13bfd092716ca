"""Paths that callers give: whether one leads out of where it begins, and whether it may be asked.

has_dot_segments("/v3/%2e%2e/admin")  # True
path_allowed("/v3/now", ["/v3/*"])  # True
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from urllib.parse import unquote

_DOT_SEGMENT = re.compile(r"(?:\A|[/\\])\.\.?(?:;[^/\\]*)?(?:[/\\]|\Z)")


def has_dot_segments(path: str) -> bool:
    """Return whether a path has a dot segment, however often quoted, with any kind of slash."""
    while "%" in path and (plain := unquote(path)) != path:
        path = plain
    return _DOT_SEGMENT.search(path) is not None


def has_quoted_slash(path: str) -> bool:
    """Return whether a path has a backslash, or a slash that is quoted, however often."""
    slashes = path.count("/")
    while "%" in path and (plain := unquote(path)) != path:
        path = plain
    return path.count("/") > slashes or "\\" in path


def path_allowed(path: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the patterns, such as ``/v3/*``, covers the path, quoted as it came."""
    return any(fnmatchcase(path or "/", pattern) for pattern in patterns)
