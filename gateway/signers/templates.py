"""What is known of one request, by name, and templates that are filled with it. Everything is bytes, as it is sent."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from marshmallow import ValidationError

from gateway.bodies import to_pairs, to_text
from gateway.messages import HttpRequest

# templates: The small language in which a signature is described: text with ``{name}`` and ``{name|filter|filter}``
# in it.

PLACE = re.compile(r"\{([a-z_][a-z0-9_]*(?::[A-Za-z0-9-]+)?)((?:\|[a-z0-9]+)*)\}")
HASHES = ("md5", "sha1", "sha256", "sha512")


def pieces(template: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """A template cut up: the text before a place, the place's name and its filters; at the end text alone."""
    at = 0
    for found in PLACE.finditer(template):
        yield template[at : found.start()], found[1], tuple(found[2].split("|")[1:])
        at = found.end()
    yield template[at:], "", ()


def names_in(template: str) -> set[str]:
    return {name for _, name, _ in pieces(template) if name}


def problems(template: str, known: Iterable[str]) -> Iterator[str]:
    """What is wrong with a template, as the catalog's checker says it."""
    for _, name, filters in pieces(template):
        if name and name not in known and not name.startswith("header:"):
            yield f"{{{name}}} is not known here; known: {', '.join(sorted(known))}, header:NAME"
        for each in filters:
            if each not in FILTERS:
                yield f"|{each} is no filter; use one of: {', '.join(FILTERS)}"


def check_template(template: str, known: Iterable[str], *path: str) -> None:
    """:raises ValidationError: under the keys of the ``path``, what is wrong with it."""
    messages: Any = list(problems(template, known))
    if messages:
        for key in reversed(path):
            messages = {key: messages}
        raise ValidationError(messages)


def reach(templates: dict[str, str], start: str, seen: tuple[str, ...] = ()) -> set[str]:
    """Every name that one template needs, by way of others, too.

    :raises ValueError: with the name of one that needs itself.
    """
    if start in seen:
        raise ValueError(start)
    found = names_in(templates[start])
    return found.union(
        *(reach(templates, each, (*seen, start)) for each in found & templates.keys())
    )


# facts: What is known of one request, by name, and templates that are filled with it. Everything is bytes, as it is
# sent.

Facts = Callable[[str], bytes]
Template = Callable[[Facts], bytes]
CHINA = timezone(timedelta(hours=8))


def hashed(name: str) -> Callable[[bytes], bytes]:
    return lambda data: hashlib.new(name, data, usedforsecurity=False).hexdigest().encode()


FILTERS: Mapping[str, Callable[[bytes], bytes]] = {
    **{name: hashed(name) for name in HASHES},
    "base64": base64.b64encode,
    "quote": lambda data: quote(data, safe="").encode(),
    "lower": bytes.lower,
    "upper": bytes.upper,
}


def template(text: str) -> Template:
    """A function that fills the template; cut up once, here."""
    parts = [
        (before.encode(), name, [FILTERS[each] for each in filters])
        for before, name, filters in pieces(text)
    ]

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
    "china_time": lambda request: (
        moment(request.at).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
    ),
}


#: What is known of every request. ``header:NAME`` is a header's text, empty where there is none.
REQUEST_FACTS = frozenset({*_READ, "body"})


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
        f"{name}={value}"
        for name, value in sorted((quote(n, safe=""), quote(v, safe="")) for n, v in pairs)
    )


def quoted(pairs: tuple[tuple[str, str], ...]) -> list[str]:
    """Each as ``name=value``, quoted as it is sent (RFC 3986)."""
    return [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs]


def values_of(request: HttpRequest) -> list[tuple[str, str]]:
    """All parameters, those of the query and of the body. An array is the name repeated, but in JSON its JSON text."""
    as_json = request.writer is not None and request.writer[0].startswith("application/json")
    pairs = list(request.query)
    for name, value in request.fields.items():
        pairs += [(name, to_text(value))] if as_json else to_pairs(name, value)
    return pairs
