"""The caller's address and the path prefix, by the connection and the proxies; read here alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

#: Of an IPv6 address: what one customer gets at least (RFC 6177), so that it counts as one.
NETWORK_BITS = 64
_PORT = r"(?::[0-9]{1,5})?"
_ADDRESS = re.compile(
    rf"(?P<v4>[0-9.]+){_PORT}|\[(?P<v6>[0-9A-Fa-f:.]+)(?:%[^\]]+)?\]{_PORT}"
    r"|(?P<bare>[0-9A-Fa-f:.]+)(?:%\S+)?"
)
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+/?")
MAX_PREFIX_CHARACTERS = 200
#: In the environ, true if the proxies do not name the caller: ``REMOTE_ADDR`` is the nearest one.
CONCEALED_KEY = "postern.concealed"


@lru_cache(maxsize=4096)
def address_of(text: str) -> str | None:
    """Return the address in ``203.0.113.9:4001``, ``[2001:db8::1]:443`` and the like, or None.

    Port, brackets and scope are left out; an IPv4 address that is mapped into IPv6 is an IPv4 one.
    """
    parts = _ADDRESS.fullmatch(text.strip())
    if parts is None:
        return None
    try:
        address = ip_address(parts["v4"] or parts["v6"] or parts["bare"])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def network_of(address: str) -> str:
    """Return the network that counts as one caller: an IPv4 address itself, an IPv6 one's /64."""
    if ":" not in address:
        return address
    return str(IPv6Network((address, NETWORK_BITS), strict=False))


def prefix_of(header: str, hops: int) -> str:
    """Return the prefix that the nearest ``hops`` proxies took off, without a slash at its end.

    A value that is no plain path counts for nothing: it goes into URLs that we write.
    """
    values = [value.strip() for value in header.split(",")[-hops:]]
    if len(header) > MAX_PREFIX_CHARACTERS or not all(_PREFIX.fullmatch(value) for value in values):
        return ""
    return "".join(value.rstrip("/") for value in values)


class ForwardedHeaders:
    """WSGI middleware: sets ``REMOTE_ADDR`` to the caller's address, ``SCRIPT_NAME`` to the prefix.

    It stands inside werkzeug's ``ProxyFix``, which counts the proxies and believes them.

    :param hops: proxies that are trusted.
    """

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]], hops: int) -> None:
        self._wsgi_app = wsgi_app
        self._hops = hops

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        peer = environ.get("werkzeug.proxy_fix.orig", environ).get("REMOTE_ADDR") or ""
        address = address_of(environ.get("REMOTE_ADDR") or "")
        environ["REMOTE_ADDR"] = address or address_of(peer) or ""
        environ[CONCEALED_KEY] = address is None
        if self._hops and (prefix := environ.get("HTTP_X_FORWARDED_PREFIX")):
            environ["SCRIPT_NAME"] = prefix_of(prefix, self._hops)
        return self._wsgi_app(environ, start_response)
