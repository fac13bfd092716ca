"""URLs that a catalog may have: of a service, of a part of one, of a proxy.

usable_base_url("https://{shop}.example.com/v1")
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from marshmallow import ValidationError, validate

_URL_ERROR = (
    "must be an http(s) URL without user, query or fragment, such as https://api.example.com"
)
_URL_SHAPE = validate.Regexp(
    r"https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[!\x22$->@-~]*)?\Z",
    error=_URL_ERROR,
)


def usable_url(value: str) -> None:
    """Accept a base URL that can be connected to: a possible host, a port from 1 to 65535."""
    _URL_SHAPE(value)
    try:
        port = urlsplit(value).port
    except ValueError as error:
        raise ValidationError(_URL_ERROR) from error
    if port == 0:
        raise ValidationError(_URL_ERROR)


PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")


def usable_base_url(value: str) -> None:
    """Accept a URL as ``usable_url`` does, with ``{name}`` as a part of it."""
    usable_url(PLACEHOLDER.sub("x", value))


def usable_proxy(value: str) -> None:
    """Accept an HTTP proxy or ``none``. The message never quotes a value, which may be secret."""
    if value != "none" and not _is_proxy(value):
        raise ValidationError(
            "must be http://HOST:PORT or http://USER:PASSWORD@HOST:PORT,"
            " special characters %-quoted, or none"
        )


def _is_proxy(url: str) -> bool:
    if not url.isascii() or url.count("@") > 1 or re.search(r"\s", url):
        return False
    try:
        parts = urlsplit(url)
        is_complete = parts.scheme == "http" and parts.hostname and parts.port
    except ValueError:
        return False
    return bool(is_complete) and parts.path in ("", "/") and not (parts.query or parts.fragment)
