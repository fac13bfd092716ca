"""What a source is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from gateway.catalog.model import Tls
from gateway.masking import Secret

# source: What a source is.


class SourceError(Exception):
    """There is no text to be had now. ``str()`` says why to anybody; it names no address and no secret.

    :param detail: for the log only, masked there.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail or message


class Missing(SourceError):
    """The place is there, and empty."""


class Stopping(Protocol):
    """A ``threading.Event``, as far as a source uses one."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float) -> bool: ...


class Source(Protocol):
    """One place where a catalog's text stands. Used by one thread at a time.

    ``name`` is what messages call it, without secrets; ``label`` is what may be said of it to anybody. ``away`` says
    whether it can be away, so that a copy of what it last gave serves a cold start, too.
    """

    name: str
    label: str
    away: bool

    def read(self) -> str:
        """The text as it is now.

        :raises SourceError: it cannot be had.
        """

    def following(self, stopping: Stopping) -> str:
        """The text once it may have changed since it was last given; at the first time, and when stopping, at once.

        :raises SourceError: it cannot be had; asking again waits for a change of that, or fails at once.
        """

    def close(self) -> None:
        """End what ``following`` is waiting for."""


# address: ``consul://host:port/key?...`` and ``nacos://host:port/dataId?...``, taken apart and checked.

PORTS = {"consul": 8500, "nacos": 8848}
OPTIONS = {
    "consul": ("token", "dc", "ns", "tls", "ca"),
    "nacos": ("group", "tenant", "namespace", "username", "password", "tls", "ca"),
}
SECRET_OPTIONS = ("token", "password")
SHAPES = {"consul": "consul://HOST:PORT/KEY", "nacos": "nacos://HOST:PORT/DATAID?group=GROUP"}


class AddressError(ValueError):
    """What is allowed instead; never what was given, which may hold a secret."""


@dataclass(frozen=True)
class Address:
    """:param options: the query, by name."""

    kind: str
    host: str
    key: str
    options: Mapping[str, str] = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Address | None:
        """None where the text is no address but a file's name.

        :raises AddressError: it is one, but not a whole or right one.
        """
        kind, is_url, _ = text.partition("://")
        if not is_url:
            return None
        if kind not in PORTS:
            raise AddressError(f"must be a file, {SHAPES['consul']} or {SHAPES['nacos']}")
        shape = f"must be {SHAPES[kind]}"
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port or PORTS[kind]
            options = dict(
                parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
            )
        except ValueError:
            raise AddressError(shape) from None
        key = unquote(parts.path[1:])
        if not host or not key or parts.username is not None or parts.fragment:
            raise AddressError(shape)
        if wrong := [name for name in options if name not in OPTIONS[kind]]:
            raise AddressError(
                f"{shape}, with {', '.join(OPTIONS[kind])} in its query; not {wrong[0][:40]!r}"
            )
        if options.get("tls", "false") not in ("true", "false"):
            raise AddressError(f"{shape}; tls must be true or false")
        return cls(kind, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", key, options)

    @property
    def name(self) -> str:
        """As messages say it: without the query, which may hold secrets."""
        return f"{self.kind}://{self.host}/{self.key}"

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return tuple(
            Secret(self.options[name]) for name in SECRET_OPTIONS if self.options.get(name)
        )

    @property
    def url(self) -> str:
        """The server's own base URL."""
        return f"{'https' if self.tls else 'http'}://{self.host}"

    @property
    def tls(self) -> Tls | None:
        ca = self.options.get("ca")
        return Tls(ca=ca) if ca or self.options.get("tls") == "true" else None
