"""Middleware between views and wire: compression, CORS, proxies in front."""

from __future__ import annotations

from contextvars import copy_context
from typing import Any

from flask import Flask, Response
from flask_compress import Compress
from flask_compress.flask_compress import _choose_algorithm, _compress_data
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header
from werkzeug.middleware.proxy_fix import ProxyFix

from api.http.bodies.streams import StreamResponse
from api.http.cors import CrossOrigin
from api.http.forwarded import ForwardedHeaders
from api.http.responses import JsonResponse
from api.http.versions import UnversionedPaths
from api.request_context import current_context
from api.threads import run_in_thread
from config import Settings

MIN_COMPRESSED_BYTES = 500  # of a response that is worth it; as Flask-Compress has it
MIN_THREAD_BYTES = 262_144  # of a response that takes milliseconds to compress


#: In the environ, of a request that may be answered by a 304, a 412 or a part.
_CONDITIONS = frozenset(
    {
        "HTTP_IF_MATCH",
        "HTTP_IF_MODIFIED_SINCE",
        "HTTP_IF_NONE_MATCH",
        "HTTP_IF_RANGE",
        "HTTP_IF_UNMODIFIED_SINCE",
        "HTTP_RANGE",
    }
)


class Compression(Compress):
    """Compresses responses unless ``no-transform`` or streamed; large ones in a thread.

    JSON, which is most, needs no look at its headers where no condition is to meet its ETag.
    """

    def after_request(self, response: Response | None) -> Response:
        if isinstance(response, StreamResponse):
            return response
        environ = current_context().request.environ
        accept_encoding = environ.get("HTTP_ACCEPT_ENCODING", "")
        if "=" in accept_encoding:
            accept_encoding = self._without_refused(accept_encoding)
            environ["HTTP_ACCEPT_ENCODING"] = accept_encoding
        if isinstance(response, JsonResponse):
            size = len(response.response[0])
            if size < MIN_COMPRESSED_BYTES:
                response.headers._list.append(("Vary", "Accept-Encoding"))
                return response
            if size < MIN_THREAD_BYTES and _CONDITIONS.isdisjoint(environ):
                return self._compress_json(response, accept_encoding)
        if response and "no-transform" in response.headers.get("Cache-Control", ""):
            return response
        if response and (response.calculate_content_length() or 0) >= MIN_THREAD_BYTES:
            return run_in_thread(copy_context().run, super().after_request, response)
        return super().after_request(response)

    def _without_refused(self, accept_encoding: str) -> str:
        """Return a header without codings of ``q=0``, which Flask-Compress takes for accepted."""
        accepted = parse_accept_header(accept_encoding, Accept)
        codings = (*self.enabled_algorithms, "identity")
        qualities = {name: accepted.quality(name) for name in codings}
        return ",".join(f"{name};q={quality}" for name, quality in qualities.items() if quality)

    def _compress_json(self, response: JsonResponse, accept_encoding: str) -> JsonResponse:
        headers = response.headers._list
        headers.append(("Vary", "Accept-Encoding"))
        algorithm = _choose_algorithm(self.enabled_algorithms, accept_encoding)
        if algorithm is None or not 200 <= response._status_code < 300:
            return response
        assert self.app
        body = _compress_data(self.app, response.response[0], algorithm)
        response.response = [body]
        for place, (name, value) in enumerate(headers):
            if name == "Content-Length":
                headers[place] = (name, str(len(body)))
            elif name == "ETag" and value.startswith('"'):
                headers[place] = (name, f'{value[:-1]}:{algorithm}"')
        headers.append(("Content-Encoding", algorithm))
        return response


def register(app: Flask, settings: Settings) -> None:
    if settings.cors_origins:
        CrossOrigin(app, list(settings.cors_origins))  # after ``Compression``: last first
    Compression(app)
    hops = settings.trusted_proxies
    wsgi_app: Any = ForwardedHeaders(UnversionedPaths(app.wsgi_app), hops)
    if hops:
        wsgi_app = ProxyFix(wsgi_app, x_for=hops, x_proto=hops, x_host=hops)
    app.wsgi_app = wsgi_app  # type: ignore[method-assign]
