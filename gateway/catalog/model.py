"""The frozen values of a catalog: Catalog, Service, Method. ``loader`` builds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from gateway.catalog.aggregates import Aggregate
from gateway.catalog.egress_proxy import Proxy
from gateway.catalog.notes import Note
from gateway.catalog.pagination import Pagination
from gateway.masking import Secret
from gateway.rates import Rate
from schemas.catalog.params import params_schema
from schemas.compiled import Load, compile_schema

MAX_RESPONSE_BYTES = 10 * 1024 * 1024
STREAMED_BODIES = frozenset({"multipart", "raw"})  # what may go on as it comes


def kind_of(declared: str | Mapping[str, Any]) -> str:
    """Return the type of a ``body`` or ``response``, which may have options or not."""
    if isinstance(declared, str):
        return declared
    return str(declared["type"])


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds for one attempt: to connect, and from then to the last byte of the answer."""

    connect: float
    read: float


@dataclass(frozen=True, slots=True)
class Retry:
    """When a call is sent again.

    :param times: attempts beyond the first.
    :param backoff: seconds before jitter, doubled at each further attempt up to ``max_backoff``.
    :param on: ``connect``, ``timeout`` or a status.
    """

    times: int
    backoff: float
    max_backoff: float
    on: frozenset[str | int]


@dataclass(frozen=True, slots=True)
class Breaker:
    """A circuit opens for ``open_for`` seconds once ``failure_rate``, a share of the calls within
    ``window`` seconds, failed, and these were ``min_calls`` or more.
    """

    window: float
    min_calls: int
    failure_rate: float
    open_for: float


@dataclass(frozen=True, slots=True)
class Health:
    """How a service is probed.

    :param interval: seconds between two probes.
    :param unhealthy_after: failures in a row that change the verdict; ``healthy_after`` successes.
    """

    path: str
    interval: float = 10
    unhealthy_after: int = 3
    healthy_after: int = 2


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """Seconds for which an answer is fresh, and may serve beyond: while renewed, or on failure.

    :param vary: ``caller`` where answers differ by caller; None where all may share them.
    """

    ttl: float
    stale_while_revalidate: float = 0
    stale_if_error: float = 0
    vary: str | None = None


@dataclass(frozen=True, slots=True)
class Fallback:
    """The answer where a method fails: another method's, ``service.method``, or else ``static``."""

    call: str | None = None
    static: Any = None


@dataclass(frozen=True, slots=True)
class Tls:
    ca: str | None = None
    cert: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Param:
    name: str
    place: str
    keywords: Mapping[str, Any]


@dataclass(frozen=True, eq=False)  # no slots, as cached_property needs a __dict__
class Method:
    """One named operation of a service, with everything it inherits already filled in."""

    service: Service
    name: str
    verb: str
    path: str
    params: tuple[Param, ...]
    idempotent: bool
    timeout: Timeout
    deadline: float
    retry: Retry
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    summary: str = ""
    body: str | Mapping[str, Any] = "json"
    body_param: str | None = None
    response: str | Mapping[str, Any] = "json"
    response_headers: tuple[str, ...] = ()
    returns: Mapping[str, Any] | None = None
    check_returns: str | None = None
    mask: frozenset[str] = frozenset()
    idempotency_header: str | None = None
    envelope: str | Mapping[str, Any] = "plain"
    rate_limit: Rate | None = None
    on_limit: str = "reject"
    cache: CachePolicy | None = None
    fallback: Fallback | None = None
    stream: bool = False
    paginate: Pagination | None = None

    @cached_property
    def full_name(self) -> str:
        return f"{self.service.name}.{self.name}"

    # Built at the first call: of a large catalog's methods most are never called.
    @cached_property
    def load_json_params(self) -> Load:
        """Loads parameters that come as JSON; raises marshmallow's ``ValidationError``."""
        return compile_schema(params_schema(self._keywords))

    @cached_property
    def load_text_params(self) -> Load:
        """Loads parameters that come as text, in a query string; raises the same."""
        return compile_schema(params_schema(self._keywords, from_text=True))

    @property
    def _keywords(self) -> dict[str, Mapping[str, Any]]:
        return {param.name: param.keywords for param in self.params}

    @property
    def has_stand_in(self) -> bool:
        """Whether somebody else answers where it fails, in a time of its own."""
        return bool(self.fallback or self.service.backup_url)

    def may_repeat(self, vendor_key: str | None) -> bool:
        """Return whether a call that may have been done may be sent again, with this key."""
        return self.idempotent or bool(self.idempotency_header and vendor_key)

    @property
    def streams_body(self) -> bool:
        """Whether the caller's body goes on as it comes."""
        return self.stream and kind_of(self.body) in STREAMED_BODIES

    @property
    def streams_answer(self) -> bool:
        """Whether the answer goes back as it comes; after an upload only if declared ``bytes``."""
        return self.stream and (not self.streams_body or self.response == "bytes")


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One outside API.

    :param egress_proxy: by which its calls leave; None where the operator's setting decides.
    :param proxy: patterns of paths that may be called as they are; ``/*`` for all.
    :param rewrites: in a proxied answer's headers, the service's addresses and cookies become ours.
    :param rewrites_body: so do its addresses in JSON.
    :param params: parts of ``base_urls`` that each call says (``gateway.catalog.hosts``).
    :param host: which one that is, of a service as one call sees it.
    :param token_urls: whole URLs that its tokens are fetched from.
    :param proxied: the methods that stand for proxied calls in the chain: ``repeatable`` for those
        that may be sent twice, and ``once``.

    Of a method's own ``service``, ``methods`` and ``proxied`` are empty: without a circle a catalog
    is freed as soon as the last call on it ends, and the collector need not look for it.
    """

    name: str
    base_urls: tuple[str, ...]
    auth: Mapping[str, Any]
    tls: Tls
    breaker: Breaker
    methods: Mapping[str, Method] = field(default_factory=dict)
    expose_vendor_code: bool = False
    expose_vendor_error: bool = False
    max_response: int = MAX_RESPONSE_BYTES
    roles: frozenset[str] = frozenset({"user", "admin"})
    backup_url: str | None = None
    health: Health | None = None
    rate_limit: Rate | None = None
    concurrency: int | None = None
    allow_private: bool = False
    egress_proxy: Proxy | None = None
    proxy: tuple[str, ...] = ()
    rewrites: bool = True
    rewrites_body: bool = False
    proxied: Mapping[str, Method] = field(default_factory=dict)
    token_urls: tuple[str, ...] = ()
    params: tuple[Param, ...] = ()
    host: str = ""

    @property
    def place(self) -> str:
        """The name, and the host where callers choose it: what fails together."""
        return f"{self.name}@{self.host}" if self.host else self.name

    @property
    def all_base_urls(self) -> tuple[str, ...]:
        """The base URLs, and the backup's."""
        if not self.backup_url:
            return self.base_urls
        return (*self.base_urls, self.backup_url)

    @property
    def urls(self) -> tuple[str, ...]:
        """All URLs that calls and token requests go to."""
        return (*self.all_base_urls, *self.token_urls)


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """All services and aggregates.

    :param notes: what is accepted but looks like a mistake.
    """

    services: Mapping[str, Service]
    aggregates: Mapping[str, Aggregate]
    secrets: tuple[Secret, ...] = field(repr=False)
    notes: tuple[Note, ...]

    def find(self, service: str, method: str) -> Method | None:
        """Return a method; None where there is none of this name."""
        declared = self.services.get(service)
        if declared is None:
            return None
        return declared.methods.get(method)

    def methods(self) -> Iterator[Method]:
        for service in self.services.values():
            yield from service.methods.values()


def unknown_patterns(allow: Iterable[str], catalog: Catalog) -> list[str]:
    """Return the patterns of a caller's ``allow`` that name no service or method of the catalog."""
    names = {*catalog.services}
    names |= {method.full_name for method in catalog.methods()}
    for service in catalog.services.values():
        names |= {method.full_name for method in service.proxied.values()}
    return [
        pattern
        for pattern in allow
        if pattern != "*" and not any(fnmatchcase(name, pattern) for name in names)
    ]
