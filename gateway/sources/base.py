"""The interface of a source, and the addresses that name one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from gateway.catalog.model import Tls
from gateway.http_messages import authority


class SourceError(Exception):
    """The text cannot be read now. ``str()`` tells anybody why, with no address and no secret.

    :param detail: for the log only, masked there.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail or message


class Missing(SourceError):
    """The source answers, but has no text under this name."""


class Source(Protocol):
    """A place that holds a catalog's text. Used by one thread at a time.

    :cvar name: what messages call it, without secrets.
    :cvar label: what anybody may read of it.
    :cvar away: it can be away, as a server, so that a copy of its text serves a cold start, too.
    """

    name: str
    label: str
    away: bool

    def read(self) -> str:
        """Return the text as it is now.

        :raises SourceError: it cannot be read.
        """

    def wait_for_text(self, stopping: Event) -> str:
        """Return the text once it may have changed; the first time, and when stopping, at once.

        :raises SourceError: it cannot be read; the next call waits for a change, or fails at once.
        """

    def close(self) -> None:
        """End what ``wait_for_text`` is waiting for."""


class ServerKind(NamedTuple):
    """What the address of such a server may have.

    :param port: where it says none.
    :param options: in its query.
    :param shape: how a message shows one.
    """

    port: int
    options: tuple[str, ...]
    shape: str


SERVER_KINDS: Mapping[str, ServerKind] = {
    "consul": ServerKind(8500, ("token", "dc", "ns", "tls", "ca"), "consul://HOST:PORT/KEY"),
    "nacos": ServerKind(
        8848,
        ("group", "tenant", "namespace", "username", "password", "tls", "ca"),
        "nacos://HOST:PORT/DATAID?group=GROUP",
    ),
}
#: Which of several texts of one name it is.
PLACE_OPTIONS = ("dc", "ns", "group", "tenant", "namespace")


class AddressError(ValueError):
    """The text is no address. The message never quotes it, as it may hold a secret."""


@dataclass(frozen=True)
class SourceAddress:
    """``consul://host:port/key?...`` or ``nacos://host:port/dataId?...``, taken apart."""

    kind: str
    host: str
    key: str
    options: Mapping[str, str] = field(repr=False)

    @classmethod
    def read(cls, text: str) -> SourceAddress | None:
        """Return None where the text is no address but a file's name.

        :raises AddressError: it is an address, but not a complete or correct one.
        """
        kind, is_url, _ = text.partition("://")
        if not is_url:
            return None
        if kind not in SERVER_KINDS:
            *shapes, last_shape = [server_kind.shape for server_kind in SERVER_KINDS.values()]
            raise AddressError(f"must be a file, {', '.join(shapes)} or {last_shape}")
        default_port, allowed, example = SERVER_KINDS[kind]
        shape = f"must be {example}"
        try:
            parts = urlsplit(text)
            host = parts.hostname
            port = parts.port or default_port
            options = dict(
                parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
            )
        except ValueError:
            raise AddressError(shape) from None
        key = unquote(parts.path[1:])
        if not host or not key or parts.username is not None or parts.fragment:
            raise AddressError(shape)
        if unknown := [name for name in options if name not in allowed]:
            raise AddressError(
                f"{shape}, with {', '.join(allowed)} in its query; not {unknown[0][:40]!r}"
            )
        if options.get("tls", "false") not in ("true", "false"):
            raise AddressError(f"{shape}; tls must be true or false")
        return cls(kind, authority(host, port), key, options)

    @property
    def name(self) -> str:
        """The address with what of its query says where the text is; the rest may be secret."""
        place = {name: self.options[name] for name in PLACE_OPTIONS if self.options.get(name)}
        query = f"?{urlencode(place)}" if place else ""
        return f"{self.kind}://{self.host}/{self.key}{query}"

    @property
    def url(self) -> str:
        """The server's own base URL."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.host}"

    @property
    def tls(self) -> Tls | None:
        ca = self.options.get("ca")
        if ca or self.options.get("tls") == "true":
            return Tls(ca=ca)
        return None
