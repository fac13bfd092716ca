"""The HTTP proxy that calls leave by, ``http://user:password@proxy:3128``, and who needs none."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from gateway.http_messages import authority
from gateway.masking import Secret

_SEPARATORS = re.compile(r"[,\s]+")
_WITH_PORT = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Proxy:
    """:param authorization: what ``Proxy-Authorization`` says (RFC 7617), if anything."""

    host: str
    port: int
    authorization: Secret | None = None
    secrets: tuple[Secret, ...] = ()

    @classmethod
    def read(cls, url: str) -> Proxy:
        """:param url: what ``schemas.catalog.urls.usable_proxy`` takes; ``none`` is ``DIRECT``."""
        if url == "none":
            return DIRECT
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or 0
        if parts.username is None:
            return cls(host, port)
        user = unquote(parts.username)
        password = unquote(parts.password or "")
        proof = base64.b64encode(f"{user}:{password}".encode()).decode()
        secrets = (parts.password or "", password, proof)
        return cls(
            host, port, Secret(f"Basic {proof}"), tuple(Secret(text) for text in secrets if text)
        )

    @property
    def name(self) -> str:
        """The proxy as the log names it."""
        return f"egress proxy {authority(self.host, self.port)}"

    @property
    def header(self) -> str:
        """The header line with the proxy's credentials, if any."""
        if not self.authorization:
            return ""
        return f"Proxy-Authorization: {self.authorization.reveal()}\r\n"


DIRECT = Proxy("", 0)  # what ``none`` stands for: no proxy, whatever others use


@dataclass(frozen=True, slots=True)
class NoProxy:
    """Hosts that are reached without a proxy, as curl's NO_PROXY: ``.example.com, 10.0.0.0/8, *``.

    A name stands for the names below it, too.
    """

    text: str = ""

    def __contains__(self, place: tuple[str, int]) -> bool:
        """:param place: host and port."""
        host = place[0].rstrip(".").lower()
        port = place[1]
        return any(_matches(entry.lower(), host, port) for entry in self.entries)

    @property
    def entries(self) -> Iterable[str]:
        return [entry for entry in _SEPARATORS.split(self.text) if entry]


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if with_port := _WITH_PORT.fullmatch(entry):
        if int(with_port["port"]) != port:
            return False
        entry = with_port["six"] or with_port["host"]
    try:
        address = ip_address(host)
    except ValueError:
        name = entry.strip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return address in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False
