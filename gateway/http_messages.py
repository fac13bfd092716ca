"""The values of an exchange, on the wire: HttpRequest -> HttpResponse."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote_plus, urlsplit

from gateway.streams import RequestStream
from gateway.values import value

MAX_RETRY_AFTER_SECONDS = 86400.0
#: By a URL's scheme.
DEFAULT_PORTS = {"http": 80, "https": 443}
#: The values of a header that goes out in several lines, by its name and its value in ``headers``.
Lines = Mapping[tuple[str, str], tuple[str, ...]]
_is_unreserved = re.compile(r"[A-Za-z0-9._~-]*").fullmatch  # RFC 3986, 2.3


def authority(host: str, port: int) -> str:
    """Return host and port as a URL has them (RFC 3986, 3.2): an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def without_headers(headers: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """Return headers but for those of these names, which are in lower case."""
    return {name: text for name, text in headers.items() if name.lower() not in names}


def _quoted(text: str, safe: str = "") -> str:
    """Quote a part of a query; most parts have nothing that needs it."""
    return text if _is_unreserved(text) else quote(text, safe=safe)


@value
class HttpRequest:
    """A request before it is bytes. Signers return a changed copy.

    What ``target`` and ``body`` have is sent as it is.

    :param body: nothing, where an ``upload`` is sent.
    :param lines: headers in several lines, unless a signer has put another value in their place.
    :param query_safe: characters in the values of ``query`` that are not quoted, by their name.
    :param raw_query: a caller's own, quoted as it came, None for none; stands before ``query``,
        which takes the place of what has the same name.
    :param fields: the values that ``body`` was written from, by name.
    :param writer: the body's content type and its serializer; None where the verb has no body.
    :param at: Unix seconds at which this attempt was built.
    :param nonce: 32 hex digits, others for every attempt.
    """

    verb: str
    base_url: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    fields: Mapping[str, object] = field(default_factory=dict, repr=False)
    writer: tuple[str, Callable[[Mapping[str, object]], bytes]] | None = field(
        default=None, repr=False
    )
    at: float = 0.0
    nonce: str = ""
    upload: RequestStream | None = None
    raw_query: str | None = None
    lines: Lines = field(default_factory=dict)
    query_safe: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The host as the ``Host`` header has it: with the port, if the base URL has one."""
        return urlsplit(self.base_url).netloc

    @property
    def full_path(self) -> str:
        """The path as sent, the base URL's own before it."""
        return (urlsplit(self.base_url).path + self.path) or "/"

    @property
    def target(self) -> str:
        """Path and query, quoted as sent (RFC 3986)."""
        if not self.query and self.raw_query is None:
            return self.path
        query = self._quoted_query()
        if self.raw_query:
            pairs = [pair for pair in self.raw_query.split("&") if not self._replaces(pair)]
            if self.query:
                pairs.append(query)
            query = "&".join(pairs)
        if query or self.raw_query is not None:
            return f"{self.path}?{query}"
        return self.path

    def _quoted_query(self) -> str:
        safe = self.query_safe
        return "&".join(
            [f"{_quoted(name)}={_quoted(text, safe.get(name, ''))}" for name, text in self.query]
        )

    def _replaces(self, raw_pair: str) -> bool:
        """Return whether ``query`` has the name of a pair of ``raw_query``."""
        raw_name, _, _ = raw_pair.partition("=")
        decoded = unquote_plus(raw_name)
        return any(name == decoded for name, _ in self.query)

    @property
    def url(self) -> str:
        return self.base_url + self.target

    def with_query(self, *pairs: tuple[str, str]) -> HttpRequest:
        return self._copy_with(self.query + pairs, self.headers)

    def with_header(self, name: str, value: str) -> HttpRequest:
        """Return a copy with the header in place of one of that name, in whatever case."""
        lower = name.lower()
        headers = {key: text for key, text in self.headers.items() if key.lower() != lower}
        return self._copy_with(self.query, {**headers, name: value})

    def _copy_with(
        self, query: tuple[tuple[str, str], ...], headers: Mapping[str, str]
    ) -> HttpRequest:
        """Return a copy with another query and other headers.

        Written out, because ``dataclasses.replace`` takes ten times as long.
        """
        return HttpRequest(
            self.verb,
            self.base_url,
            self.path,
            query,
            headers,
            self.body,
            self.fields,
            self.writer,
            self.at,
            self.nonce,
            self.upload,
            self.raw_query,
            self.lines,
            self.query_safe,
        )

    def header(self, name: str) -> str | None:
        """Return the header of that name, in whatever case it is written."""
        lower = name.lower()
        return next((text for key, text in self.headers.items() if key.lower() == lower), None)

    def with_fields(self, fields: Mapping[str, object]) -> HttpRequest:
        """Return a copy with more values in its body, or in its query where the verb has none."""
        if self.writer is None:
            return self.with_query(*((name, str(value)) for name, value in fields.items()))
        content_type, write = self.writer
        merged = {**self.fields, **fields}
        headers = {"Content-Type": content_type, **self.headers}
        return replace(self, headers=headers, fields=merged, body=write(merged))


@value
class HttpResponse:
    """An answer that was read whole.

    Header names match in any case; a repeated header is joined with a comma.

    :param first_byte: seconds from the request to its first byte.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    first_byte: float | None = None

    def retry_after(self, header: str = "retry-after") -> float | None:
        """Return the seconds that ``Retry-After``, a number or a date, says; a day at most.

        A date is by the service's clock, where there is a ``Date`` (RFC 9110, 10.2.3).

        :param header: one of the vendor's own that says so; a large number is Unix time.
        """
        text = self.headers.get(header, "").strip()
        if text.isdecimal() and len(text) < 10:
            return min(float(text), MAX_RETRY_AFTER_SECONDS)
        instant = float(text) if text.isdecimal() and len(text) == 10 else _unix_time(text)
        if instant is None:
            return None
        now = _unix_time(self.headers.get("date", ""))
        if now is None:
            now = datetime.now(UTC).timestamp()
        return min(max(0.0, instant - now), MAX_RETRY_AFTER_SECONDS)


def _unix_time(text: str) -> float | None:
    """Return the Unix time (seconds) of an HTTP date; None if it is none."""
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return date.timestamp()
    except (ValueError, OverflowError):
        return None
