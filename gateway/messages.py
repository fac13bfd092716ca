"""What is asked and what comes back: Call -> HttpRequest -> HttpResponse -> Result, and the Trace beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from urllib.parse import quote, unquote_plus, urlencode, urlsplit

from gateway.rates import Permit
from gateway.streams import PassthroughRequest, RequestStream
from gateway.trace_context import TraceContext, new_span_id

Lines = Mapping[tuple[str, str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Caller:
    """The user or app that calls us.

    :param id: ``user:7`` or ``app:shop``; what logs show.
    :param allow: ``service``, ``service.method`` or ``*`` patterns; a user may call all that its role may.
    :param rate: its limit, such as ``100/minute``; None for none.
    """

    id: str
    role: str = "user"
    allow: tuple[str, ...] = ("*",)
    rate: str | None = None

    def may_call(self, service: str, method: str, roles: frozenset[str]) -> bool:
        """Whether role and list both allow ``service.method``."""
        if self.role != "admin" and self.role not in roles:
            return False
        name = f"{service}.{method}"
        return any(
            pattern in ("*", service) or fnmatchcase(name, pattern) for pattern in self.allow
        )


@dataclass(slots=True)
class Attempt:
    """One send: how long it took (seconds), how it ended (``code`` 0, or the error's).

    :param first_byte: seconds until the answer began, if it did.
    :param not_executed: it is certain that the service did not do what was asked.
    :param called: ``service.method``; another one's than the call's where a fallback was asked.
    :param began: the instant (``Clock.now``).
    :param host: of the base URL, with its port.
    :param span_id: what the service is told of it.
    """

    elapsed: float = 0.0
    code: int = 0
    status: int | None = None
    not_executed: bool = False
    first_byte: float | None = None
    called: str = ""
    began: float = 0.0
    type: str | None = None
    host: str = ""
    span_id: str = field(default_factory=new_span_id)


@dataclass(slots=True)
class Trace:
    """What happened to one call, written as it happens by the one thread that runs it."""

    attempts: list[Attempt] = field(default_factory=list)
    turn: Permit | None = None  # what the caller's limit said, where it has one
    cache: str | None = None  # HIT, MISS or STALE, where the method has a cache
    age: float | None = None  # seconds since the cached answer was given
    fallback: str | None = None  # who answered instead
    replayed: bool = False  # the stored answer to an earlier call with this Idempotency-Key
    events: list[tuple[float, str, str]] = field(default_factory=list)  # instant, what, detail
    params: Mapping[str, object] | None = None  # masked, once something was sent

    def note(self, at: float, what: str, detail: str = "") -> None:
        """Something was decided; the call's record will tell. Never a service's own words."""
        self.events.append((at, what, detail))

    @property
    def downstream_elapsed(self) -> float:
        """Seconds spent waiting for the service, over all attempts."""
        return sum(attempt.elapsed for attempt in self.attempts)


@dataclass(frozen=True, slots=True)
class Call:
    """One use of one method.

    :param params: as the caller gave them; ``from_text`` says they came from a query string.
    :param timeout: seconds the caller is willing to wait, if it said so.
    :param idempotency_key: the caller's own, good within what it asks; see ``gateway.middleware.idempotency``.
    :param vendor_key: what a vendor who honours such a key gets; made from the caller's, if it sent one.
    :param deadline: the instant (``Clock.now``) at which the time is spent: at first the caller's own ``timeout``,
        inside the chain's ``deadline`` also the method's.
    :param inbound: what goes on to the service as it came, where bodies are streamed.
    :param context: the trace it is part of.
    :param backup: it goes to the service's ``backup_url``, of which the main URL's probe and breaker say nothing.
    """

    service: str
    method: str
    params: Mapping[str, object]
    caller: Caller
    request_id: str
    timeout: float | None = None
    idempotency_key: str | None = None
    vendor_key: str | None = None
    from_text: bool = False
    deadline: float = math.inf
    backup: bool = False
    inbound: PassthroughRequest | None = None
    context: TraceContext = field(default_factory=TraceContext.new)
    trace: Trace = field(default_factory=Trace)

    @property
    def body_consumed(self) -> bool:
        """Whether it has a body that can be sent only once, and some of it was sent."""
        return bool(self.inbound and self.inbound.body and self.inbound.body.started)


@dataclass(frozen=True, slots=True)
class Result:
    """A call that succeeded: the vendor's data, out of its envelope; a ``ResponseStream`` where it is streamed."""

    data: object


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request before it is bytes. Signers answer a changed copy; ``target`` and ``body`` are sent as they are.

    :param body: nothing, where an ``upload`` is sent.
    :param lines: the values of a header that goes out in several lines, by its name and its value in ``headers``,
        so that they are no longer sent once a signer has put another in its place.
    :param raw_query: a caller's own, quoted as it came, None for none; stands before ``query``, which takes
        the place of what has the same name.
    :param fields: the values that ``body`` was written from, by name.
    :param writer: the body's content type and what writes it; None where the verb has no body.
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

    @property
    def host(self) -> str:
        """As the ``Host`` header says it: with the port, if the base URL has one."""
        return urlsplit(self.base_url).netloc

    @property
    def full_path(self) -> str:
        """The path as sent, the base URL's own before it."""
        return (urlsplit(self.base_url).path + self.path) or "/"

    @property
    def target(self) -> str:
        """Path and query, quoted as sent (RFC 3986)."""
        query = urlencode(self.query, quote_via=quote)
        if self.raw_query:
            ours = {name for name, _ in self.query}
            theirs = [
                part
                for part in self.raw_query.split("&")
                if unquote_plus(part.partition("=")[0]) not in ours
            ]
            query = "&".join([*theirs, query] if ours else theirs)
        return f"{self.path}?{query}" if query or self.raw_query is not None else self.path

    @property
    def url(self) -> str:
        return self.base_url + self.target

    def with_query(self, *pairs: tuple[str, str]) -> HttpRequest:
        return replace(self, query=self.query + pairs)

    def with_header(self, name: str, value: str) -> HttpRequest:
        """In place of a header of that name, in whatever case it is written."""
        others = {each: text for each, text in self.headers.items() if each.lower() != name.lower()}
        return replace(self, headers={**others, name: value})

    def header(self, name: str) -> str | None:
        """The header of that name, in whatever case it is written."""
        return next(
            (text for each, text in self.headers.items() if each.lower() == name.lower()), None
        )

    def with_fields(self, fields: Mapping[str, object]) -> HttpRequest:
        """With more values in the body, which is written anew, or in the query where the verb has no body."""
        if self.writer is None:
            return self.with_query(*((name, str(value)) for name, value in fields.items()))
        content_type, write = self.writer
        merged = {**self.fields, **fields}
        headers = {"Content-Type": content_type, **self.headers}
        return replace(self, headers=headers, fields=merged, body=write(merged))


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer that was read whole. Header names match in any case; a repeated one is joined with a comma.

    :param first_byte: seconds from the request to its first byte.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    first_byte: float | None = None
