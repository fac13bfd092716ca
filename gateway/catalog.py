"""What services.yaml says, as frozen values: Catalog, Service, Method. ``gateway.loader`` makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema

from gateway.masking import Secret


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds for one attempt: to connect, and from then to the last byte of the answer."""

    connect: float
    read: float


@dataclass(frozen=True, slots=True)
class Retry:
    """How often beyond the first, how long between (seconds), and after what: connect, timeout or a status."""

    times: int
    backoff: float
    max_backoff: float
    on: frozenset[str | int]


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


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """One named operation of a service, with everything it inherits already filled in."""

    service: Service
    name: str
    verb: str
    path: str
    summary: str
    params: tuple[Param, ...]
    body: str
    response: str
    mask: frozenset[str]
    idempotent: bool
    idempotency_header: str | None
    timeout: Timeout
    deadline: float
    retry: Retry
    envelope: str | Mapping[str, Any]
    headers: Mapping[str, str] = field(repr=False)
    json_schema: Schema = field(repr=False)
    text_schema: Schema = field(repr=False)
    missing: str | None = None

    @property
    def full_name(self) -> str:
        return f"{self.service.name}.{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One outside API."""

    name: str
    base_urls: tuple[str, ...]
    auth: Mapping[str, str | Secret]
    expose_vendor_code: bool
    max_response: int
    tls: Tls
    concurrency: int
    roles: frozenset[str]
    methods: Mapping[str, Method]


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """All services. ``unbuilt`` names what the text asks for that this version does not do yet."""

    services: Mapping[str, Service]
    secrets: tuple[Secret, ...] = field(repr=False)
    unbuilt: tuple[str, ...]

    def methods(self) -> Iterator[Method]:
        for service in self.services.values():
            yield from service.methods.values()
