"""What stands between the views and the wire: compression, other origins, what browsers may, proxies in front."""

from __future__ import annotations

from flask import Flask, Response
from flask_compress import Compress
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from api.security import SecurityHeaders
from api.streams import StreamResponse
from config import Settings

EXPOSED_HEADERS = [
    "X-Request-ID", "X-Attempts", "Server-Timing", "Retry-After", "Allow", "Content-Disposition", "ETag",
    "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Cache", "X-Fallback", "Idempotency-Replayed",
]  # fmt: skip


NOT_PROXIED = r"(?!/api/v1/proxy/).*"  # whose answers are the vendor's


class Compression(Compress):
    """Leaves alone what says ``no-transform``, and what is streamed."""

    def after_request(self, response: Response | None) -> Response:
        if isinstance(response, StreamResponse):
            return response
        if response and "no-transform" in response.headers.get("Cache-Control", ""):
            return response
        return super().after_request(response)


def register(app: Flask, settings: Settings) -> None:
    Compression(app)
    if settings.cors_origins:
        origins = list(settings.cors_origins)
        CORS(app, resources=NOT_PROXIED, origins=origins, expose_headers=EXPOSED_HEADERS, max_age=600)
    app.wsgi_app = SecurityHeaders(app.wsgi_app)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
