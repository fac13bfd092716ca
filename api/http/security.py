"""Security headers, on every response.

The middleware stands outside Flask, so that all responses have them, at the cost of joining two
lists. A page that needs more than nothing sets a Content-Security-Policy of its own; a proxied
service's response stays as it is.

See https://owasp.org/www-project-secure-headers/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

CSP_HEADER = "Content-Security-Policy"
CSP_NOTHING = "default-src 'none'; frame-ancestors 'none'"
#: For a page whose scripts and styles are files of ours, and which asks nobody but us.
CSP_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
SECURITY_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
]
HSTS_HEADERS = [("Strict-Transport-Security", "max-age=31536000")]
PROXIED_KEY = "postern.proxied"  # set in the environ by whoever passes on another's answer


class SecurityHeaders:
    """WSGI middleware."""

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]]) -> None:
        self._wsgi_app = wsgi_app
        self._all = [*SECURITY_HEADERS, (CSP_HEADER, CSP_NOTHING)]

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if PROXIED_KEY not in environ:
                own_policy = CSP_HEADER in dict(headers)
                headers = headers + (SECURITY_HEADERS if own_policy else self._all)
                if environ["wsgi.url_scheme"] == "https":
                    headers += HSTS_HEADERS
            return start_response(status, headers, exc_info)

        return self._wsgi_app(environ, start)
