"""Scripts of other origins may call: Flask-CORS by CORS_ORIGINS, asked once for each origin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response
from flask_cors import CORS

from api.http.error_response import PROXY_PREFIX
from api.http.responses import HeaderPairs, JsonResponse
from api.request_context import current_context

EXPOSED_HEADERS = [
    "X-Request-ID", "X-Attempts", "Server-Timing", "Retry-After", "Allow", "Content-Disposition",
    "ETag",
    "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Cache", "X-Fallback",
    "Idempotency-Replayed",
    "Content-Range",
]  # fmt: skip
NOT_PROXIED = rf"(?!{PROXY_PREFIX}).*"  # whose answers are the vendor's
MAX_REMEMBERED_ORIGINS = 256


class CrossOrigin:
    """Adds what a browser asks of an answer to another origin, and ``Origin`` to every ``Vary``.

    What Flask-CORS says of JSON depends on the origin alone, so it is remembered. Its own ``Vary``
    is off: caches need one for other origins, too.
    """

    def __init__(self, app: Flask, origins: list[str]) -> None:
        CORS(
            app,
            resources=NOT_PROXIED,
            origins=origins,
            expose_headers=EXPOSED_HEADERS,
            max_age=600,
            vary_header=False,
            intercept_exceptions=False,  # errors come by the hook, too
        )
        hooks = app.after_request_funcs[None]
        self._add_headers = hooks.pop()
        self._remembered: dict[tuple[str | None, str | None], HeaderPairs] = {}
        app.after_request(self.after_request)

    def after_request(self, response: Response) -> Response:
        request = current_context().request
        path = request.path
        if path.startswith(PROXY_PREFIX):
            return response
        if request.method == "OPTIONS" or "%" in path or not isinstance(response, JsonResponse):
            self._add_headers(response)
            response.headers["Vary"] = ", ".join([*response.headers.getlist("Vary"), "Origin"])
            return response
        headers = response.headers._list
        headers += self._headers_of_json(request.environ)
        vary = ("Vary", "Accept-Encoding")  # which ``Compression`` gives all JSON
        headers[headers.index(vary)] = ("Vary", "Accept-Encoding, Origin")
        return response

    def _headers_of_json(self, environ: Mapping[str, Any]) -> HeaderPairs:
        key = (
            environ.get("HTTP_ORIGIN"),
            environ.get("HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK"),
        )
        pairs = self._remembered.get(key)
        if pairs is None:
            blank = Response()
            blank.headers.clear()
            self._add_headers(blank)
            pairs = list(blank.headers)
            if len(self._remembered) >= MAX_REMEMBERED_ORIGINS:
                self._remembered.clear()
            self._remembered[key] = pairs
        return pairs
