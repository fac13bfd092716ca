"""The small language in which a signature is described: text with ``{name}`` and ``{name|filter}``.

A name stands for what is known of one request. Everything is bytes, as it is sent::

    fill = compile_template("{method}\\n{path}\\n{body|sha256}")
    fill(lambda name: read_fact(request, name))
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, quote

from marshmallow import ValidationError

from gateway.bodies import FORM_TYPE, to_pairs, to_text
from gateway.errors import CredentialError
from gateway.http_messages import HttpRequest

Facts = Callable[[str], bytes]
Template = Callable[[Facts], bytes]

HASHES = ("md5", "sha1", "sha256", "sha512")
NAME = r"[a-z_][a-z0-9_]*"  # of a value that a catalog declares
_PLACE = re.compile(r"\{([a-z_][a-z0-9_]*(?::[A-Za-z0-9_.-]+)?)((?:\|[a-z0-9]+)*)\}")
PARAM = "param:"  # before the name of a parameter
CHINA_TIME = timezone(timedelta(hours=8))


def _hash_filter(name: str) -> Callable[[bytes], bytes]:
    return lambda data: hashlib.new(name, data, usedforsecurity=False).hexdigest().encode()


FILTERS: Mapping[str, Callable[[bytes], bytes]] = {
    **{name: _hash_filter(name) for name in HASHES},
    "base64": base64.b64encode,
    "quote": lambda data: quote(data, safe="").encode(),
    "lower": bytes.lower,
    "upper": bytes.upper,
    "unhex": lambda data: bytes.fromhex(data.decode()),
    "compact": lambda data: re.sub(rb"[ :-]", b"", data),  # 2026-11-29T14:00:00Z and the like
}


def compile_template(template: str) -> Template:
    """Return a function that fills the template; the text is parsed once, here."""
    parts = [
        (before.encode(), name, [FILTERS[filter_name] for filter_name in filters])
        for before, name, filters in _parse(template)
    ]

    def fill(facts: Facts) -> bytes:
        pieces = []
        for before, name, filters in parts:
            value = facts(name) if name else b""
            for apply in filters:
                value = apply(value)
            pieces += [before, value]
        return b"".join(pieces)

    return fill


def has_place(template: str) -> bool:
    """Return whether anything in it is filled."""
    return _PLACE.search(template) is not None


def check_template(template: str, names: Iterable[str], *path: str) -> None:
    """:raises ValidationError: what is wrong with the template, under the keys of the ``path``."""
    messages = list(_problems(template, names))
    if messages:
        raise ValidationError(nest(messages, *path))


def nest(messages: Any, *path: str) -> Any:
    """Return messages under the keys of a path, as marshmallow reports them."""
    for key in reversed(path):
        messages = {key: messages}
    return messages


def names_needed(
    template: str, templates: Mapping[str, str], above: tuple[str, ...] = ()
) -> set[str]:
    """Return every name that a template needs, by way of the named templates, too.

    :param above: the named templates on the way to this one.
    :raises ValueError: with the name of a template that needs itself.
    """
    needed = {name for _, name, _ in _parse(template) if name}
    for name in needed & templates.keys():
        if name in above:
            raise ValueError(name)
        needed = needed | names_needed(templates[name], templates, (*above, name))
    return needed


def _parse(template: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the text before each place, the place's name and its filters; at the end text alone."""
    position = 0
    for place in _PLACE.finditer(template):
        yield template[position : place.start()], place[1], tuple(place[2].split("|")[1:])
        position = place.end()
    yield template[position:], "", ()


def _problems(template: str, names: Iterable[str]) -> Iterator[str]:
    prefixes = ("header:", PARAM) if PARAM in names else ("header:",)
    for _, name, filters in _parse(template):
        if name and name not in names and not name.startswith(prefixes):
            choices = [*sorted({*names} - {PARAM}), *(f"{prefix}NAME" for prefix in prefixes)]
            yield f"{{{name}}} is not known here; known: {', '.join(choices)}"
        for before, filter_name in zip(("", *filters), filters, strict=False):
            if filter_name not in FILTERS:
                yield f"|{filter_name} is no filter; use one of: {', '.join(FILTERS)}"
            if filter_name == "unhex" and before not in HASHES:
                yield f"|unhex follows a hash: {', '.join(HASHES)}"


def _iso8601_ms(request: HttpRequest) -> str:
    moment = datetime.fromtimestamp(request.at, UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def utc_time(at: float) -> datetime:
    """Return an attempt's time in UTC, in whole seconds."""
    return datetime.fromtimestamp(int(at), UTC)


_READERS: Mapping[str, Callable[[HttpRequest], str]] = {
    "method": lambda request: request.verb,
    "host": lambda request: request.host,
    "path": lambda request: request.full_path,
    "target": lambda request: request.full_path + request.target.removeprefix(request.path),
    "query": lambda request: request.target.partition("?")[2],
    "sorted_query": lambda request: sorted_query(request.query),
    "nonce": lambda request: request.nonce,
    "unix": lambda request: str(int(request.at)),
    "unix_ms": lambda request: str(int(request.at * 1000)),
    "iso8601": lambda request: utc_time(request.at).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "iso8601_ms": _iso8601_ms,
    "date": lambda request: utc_time(request.at).strftime("%Y-%m-%d"),
    "http_date": lambda request: formatdate(int(request.at), usegmt=True),
    "china_time": lambda request: (
        utc_time(request.at).astimezone(CHINA_TIME).strftime("%Y-%m-%d %H:%M:%S")
    ),
}
#: The names that every request has a value for; ``header:NAME`` is a header's text.
REQUEST_FACTS = frozenset({*_READERS, "body"})


def read_fact(request: HttpRequest, name: str) -> bytes:
    """Return what a name stands for; a header that the request lacks is empty."""
    if name == "body":
        return request.body
    if name.startswith("header:"):
        return (request.header(name.removeprefix("header:")) or "").encode("latin-1")
    return _READERS[name](request).encode()


def filled_text(key: str, value: bytes) -> str:
    """Return what a template has filled as text.

    :param key: of ``auth``, whose template it is.
    :raises CredentialError: it is bytes, as of ``unhex`` without ``base64`` after it.
    """
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise CredentialError(detail=f"auth.{key} would be bytes that are no text") from error


def with_filled_header(request: HttpRequest, name: str, value: bytes) -> HttpRequest:
    """Return the request with a header that a template has filled.

    :raises CredentialError: what a caller sent has made it more than one line.
    """
    text = value.decode("latin-1")
    if not text.isprintable():
        raise CredentialError(detail=f"auth.headers.{name} would be more than one line of text")
    return request.with_header(name, text)


def quote_pairs(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return names and values quoted as they are sent (RFC 3986)."""
    return [(quote(name, safe=""), quote(value, safe="")) for name, value in pairs]


def sorted_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the query in the order of its quoted names, then values, as AWS and others sign it."""
    return "&".join(f"{name}={value}" for name, value in sorted(quote_pairs(pairs)))


def all_params(request: HttpRequest) -> list[tuple[str, str]]:
    """Return all parameters, those of the query and of the body.

    An array is the name repeated, but in a JSON body its JSON text.
    """
    content_type = request.writer[0] if request.writer else ""
    pairs = list(request.query)
    if content_type == FORM_TYPE:  # lists and objects as they are written
        return pairs + parse_qsl(request.body.decode(), keep_blank_values=True)
    as_json = content_type.startswith("application/json")
    for name, value in request.fields.items():
        pairs += [(name, to_text(value))] if as_json else to_pairs(name, value)
    return pairs
