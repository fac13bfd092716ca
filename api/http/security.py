"""Security headers (https://owasp.org/www-project-secure-headers/), on every response.

A page that needs more than nothing sets a Content-Security-Policy of its own; a proxied service's
response stays as it is.
"""

from __future__ import annotations

from werkzeug.datastructures import Headers

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
_WITH_POLICY = [*SECURITY_HEADERS, (CSP_HEADER, CSP_NOTHING)]


def add_security_headers(headers: Headers, scheme: str) -> None:
    """:param scheme: that the request came by: http or https."""
    own_policy = CSP_HEADER in dict(headers._list)
    headers._list += SECURITY_HEADERS if own_policy else _WITH_POLICY
    if scheme == "https":
        headers._list += HSTS_HEADERS
