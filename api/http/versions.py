"""Serves ``/api/...`` without a version as v1, announcing its end (RFC 9745, RFC 8594)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from flask import Request

from api.http.responses import HeaderPairs

PREFIX = "/api/v1"
_UNVERSIONED = re.compile(r"/api/(?!v\d+(/|$))")
DEPRECATED = "@1795219200"  # 2026-11-21, as a structured date
SUNSET = "Sun, 21 Nov 2027 00:00:00 GMT"


class UnversionedPaths:
    """WSGI middleware that serves an old path as the current one, and marks the environ."""

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]]) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if _UNVERSIONED.match(path):
            environ["PATH_INFO"] = PREFIX + path.removeprefix("/api")
            environ["postern.unversioned"] = True
        return self._wsgi_app(environ, start_response)


def deprecation_headers(request: Request) -> HeaderPairs:
    """Return the headers of an answer under an old path."""
    successor = quote(request.root_path + request.path)
    return [
        ("Deprecation", DEPRECATED),
        ("Sunset", SUNSET),
        ("Link", f'<{successor}>; rel="successor-version"'),
    ]
