"""A request for a token, described as data: where it goes and what it says.

All texts are templates, of the language in ``gateway.signers.templates``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from marshmallow import ValidationError, validate

from gateway.bodies import FORM_TYPE, dump_json
from gateway.bodies.json import leaves
from gateway.http_messages import HttpRequest
from gateway.masking import Secret
from gateway.signers.base import plain
from gateway.signers.templates import Template, check_template, compile_template, nest, read_fact
from schemas.catalog.fields import SETTABLE_HEADER, NamedMap, Strict, one_of, text
from schemas.catalog.params import JsonType

#: What a template may name beside the values: the time, and a number used once.
TIME_FACTS = frozenset(
    {"unix", "unix_ms", "iso8601", "iso8601_ms", "date", "http_date", "china_time", "nonce"}
)
PATH_OR_URL = r"(https?://[A-Za-z0-9._:\[\]-]+)?/[!\x22$->@-~]*\Z"
_HTTP = validate.Regexp(
    rf"(GET|POST|PUT) {PATH_OR_URL}",
    error="must be GET, POST or PUT and a path or a URL without query, such as POST /oauth/token",
)
Fill = Callable[["Facts"], Any]


class RequestSettings(Strict):
    """The keys of a token's request."""

    http = text(required=True, validate=_HTTP)
    query = NamedMap(text())
    headers = NamedMap(text(), SETTABLE_HEADER)
    body = JsonType("object")
    body_format = text(validate=one_of("json", "form"))


def split_url(url: str, base_url: str) -> tuple[str, str]:
    """Return the base URL and the path of a token's URL, which may be a path of the service."""
    parts = urlsplit(url)
    if not parts.scheme:
        return base_url, url
    return f"{parts.scheme}://{parts.netloc}", parts.path


def check_request(settings: Mapping[str, Any], names: Iterable[str], *path: str) -> None:
    """:raises ValidationError: a template names what is not known."""
    names = {*names, *TIME_FACTS}
    for key in ("query", "headers"):
        for name, template in settings.get(key, {}).items():
            check_template(template, names, *path, key, name)
    check_template(settings["http"], names, *path, "http")
    body = settings.get("body", {})
    for _, value in leaves(body):
        if isinstance(value, str):
            check_template(value, names, *path, "body")
    if settings.get("body_format") == "form":
        for name, value in body.items():
            if not isinstance(value, str):
                raise ValidationError(nest(["a form has texts only"], *path, "body", name))


class Facts(dict[str, bytes]):
    """What templates may name while one token is fetched or sent: each worked out once.

    :param values: templates by name, which may name each other.
    :param now: Unix seconds.
    """

    def __init__(self, values: Mapping[str, Template], now: float) -> None:
        super().__init__()
        self._values = values
        self._now = now

    def __missing__(self, name: str) -> bytes:
        if name in self._values:
            self[name] = self._values[name](self.__getitem__)
        else:
            nonce = secrets.token_hex(16)
            self[name] = read_fact(HttpRequest("", "", "", at=self._now, nonce=nonce), name)
        return self[name]


class TokenRequest:
    """Compiled from its settings."""

    def __init__(self, settings: Mapping[str, Any], base_url: str) -> None:
        self._verb, url = plain(settings["http"]).split(" ", 1)
        self._base_url, path = split_url(url, base_url)
        self._path = _compile(path)
        self._query = _compile(settings.get("query", {}))
        self._headers = _compile(settings.get("headers", {}))
        self._body = _compile(settings.get("body", {}))
        self._has_body = "body" in settings
        self._as_form = settings.get("body_format") == "form"

    def fill(self, facts: Facts) -> HttpRequest:
        headers = {"Accept": "application/json", "User-Agent": "postern"}
        body = b""
        if self._has_body:
            content = self._body(facts)
            headers["Content-Type"] = FORM_TYPE if self._as_form else "application/json"
            body = urlencode(content).encode() if self._as_form else dump_json(content)
        query = tuple(self._query(facts).items())
        request = HttpRequest(self._verb, self._base_url, self._path(facts), query, headers, body)
        for name, value in self._headers(facts).items():
            request = request.with_header(name, value)
        return request


def _compile(value: Any) -> Fill:
    """Return a function that fills every text within a JSON value."""
    if isinstance(value, str | Secret):
        template = compile_template(plain(value))
        return lambda facts: template(facts.__getitem__).decode()
    if isinstance(value, Mapping):
        members = {name: _compile(inner) for name, inner in value.items()}
        return lambda facts: {name: fill(facts) for name, fill in members.items()}
    if isinstance(value, list):
        items = [_compile(inner) for inner in value]
        return lambda facts: [fill(facts) for fill in items]
    return lambda facts: value
