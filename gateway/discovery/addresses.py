"""Where a registry is: ``CONSUL_HTTP_ADDR`` or ``NACOS_ADDR``, or CATALOG's own address."""

from __future__ import annotations

import re

from gateway.sources.base import SERVER_KINDS, AddressError, SourceAddress

_SHAPE = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::(?P<port>[0-9]{1,5}))?/?"
)


def read_address(kind: str, text: str) -> SourceAddress:
    """Return the server, as an address of no key.

    :raises AddressError: it is neither ``HOST:PORT`` nor a URL of one, nor what CATALOG may be.
    """
    if text.startswith(f"{kind}://"):
        address = SourceAddress.read(text)
        assert address
        return address
    shape = _SHAPE.fullmatch(text)
    usual_port = SERVER_KINDS[kind].port
    port = int((shape and shape["port"]) or usual_port)
    if shape is None or not 0 < port < 65536:
        raise AddressError(f"must be http://HOST:{usual_port}, https://HOST:PORT or HOST:PORT")
    options = {"tls": "true"} if shape["scheme"] == "https" else {}
    return SourceAddress(kind, f"{shape['host']}:{port}", "", options)
