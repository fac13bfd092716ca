"""What is known of one request, by name, and templates that are filled with it. Everything is bytes, as it is sent."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate
from urllib.parse import quote

from gateway.bodies import pairs_of, text_of
from gateway.call import HttpRequest
from schemas.templates import pieces

Facts = Callable[[str], bytes]
Template = Callable[[Facts], bytes]
CHINA = timezone(timedelta(hours=8))


def hashed(name: str) -> Callable[[bytes], bytes]:
    return lambda data: hashlib.new(name, data, usedforsecurity=False).hexdigest().encode()


FILTERS: Mapping[str, Callable[[bytes], bytes]] = {
    **{name: hashed(name) for name in ("md5", "sha1", "sha256", "sha512")},
    "base64": base64.b64encode,
    "quote": lambda data: quote(data, safe="").encode(),
    "lower": bytes.lower,
    "upper": bytes.upper,
}


def template(text: str) -> Template:
    """A function that fills the template; cut up once, here."""
    parts = [(before.encode(), name, [FILTERS[each] for each in filters]) for before, name, filters in pieces(text)]

    def fill(facts: Facts) -> bytes:
        made = []
        for before, name, filters in parts:
            value = facts(name) if name else b""
            for each in filters:
                value = each(value)
            made += [before, value]
        return b"".join(made)

    return fill


def moment(at: float) -> datetime:
    """An attempt's time, UTC, whole seconds."""
    return datetime.fromtimestamp(int(at), UTC)


_READ: Mapping[str, Callable[[HttpRequest], str]] = {
    "method": lambda request: request.verb,
    "host": lambda request: request.host,
    "path": lambda request: request.full_path,
    "query": lambda request: request.target.partition("?")[2],
    "sorted_query": lambda request: sorted_query(request.query),
    "nonce": lambda request: request.nonce,
    "unix": lambda request: str(int(request.at)),
    "unix_ms": lambda request: str(int(request.at * 1000)),
    "iso8601": lambda request: moment(request.at).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "date": lambda request: moment(request.at).strftime("%Y-%m-%d"),
    "http_date": lambda request: formatdate(int(request.at), usegmt=True),
    "china_time": lambda request: moment(request.at).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S"),
}


def fact(request: HttpRequest, name: str) -> bytes:
    """What a request is or has of its own; a header that it does not have is empty."""
    if name == "body":
        return request.body
    if name.startswith("header:"):
        return (request.header(name[7:]) or "").encode("latin-1")
    return _READ[name](request).encode()


def sorted_query(pairs: Iterable[tuple[str, str]]) -> str:
    """As it is sent, in the order of the quoted names and then values, as AWS and those after it have it."""
    return "&".join(
        f"{name}={value}" for name, value in sorted((quote(n, safe=""), quote(v, safe="")) for n, v in pairs)
    )


def quoted(pairs: tuple[tuple[str, str], ...]) -> list[str]:
    """Each as ``name=value``, quoted as it is sent (RFC 3986)."""
    return [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs]


def values_of(request: HttpRequest) -> list[tuple[str, str]]:
    """All parameters, those of the query and of the body. An array is the name repeated, but in JSON its JSON text."""
    as_json = request.writer is not None and request.writer[0].startswith("application/json")
    pairs = list(request.query)
    for name, value in request.fields.items():
        pairs += [(name, text_of(value))] if as_json else pairs_of(name, value)
    return pairs
