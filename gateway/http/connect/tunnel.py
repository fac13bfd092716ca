"""A tunnel through an HTTP proxy to a host behind it: CONNECT (RFC 9110, 9.3.6)."""

from __future__ import annotations

import re
from typing import Protocol

from gateway.catalog.egress_proxy import Proxy
from gateway.errors import ProxyFailed, ProxyRefused
from gateway.http_messages import authority

MAX_HEAD_BYTES = 16384  # of the proxy's answer
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: |\r|\n)")

_LOGIN = "it wants a user and password, or others than these"
_REASONS = {
    401: _LOGIN,  # tinyproxy says so to a wrong password
    407: _LOGIN,
    403: "its rules forbid it",
}


class Socket(Protocol):
    """A connection, as far as a tunnel uses one."""

    def send(self, data: bytes | memoryview, until: float) -> int: ...
    def receive(self, until: float) -> bytes: ...


def open_tunnel(connection: Socket, proxy: Proxy, host: str, port: int, until: float) -> None:
    """Have the proxy pass on to the host what is sent on the connection from here on.

    :param connection: to the proxy.
    :raises ProxyRefused: the proxy will not, for want of a password or by its rules.
    :raises ProxyFailed: it cannot, does not answer in time, or does not speak HTTP.
    """
    place = authority(host, port)
    request = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{proxy.header}\r\n".encode("latin-1")
    try:
        while request:
            request = request[connection.send(request, until) :]
        head = _read_head(connection, proxy, until)
    except TimeoutError as error:
        raise ProxyFailed(detail=f"{proxy.name}: no answer to CONNECT") from error
    except OSError as error:
        raise ProxyFailed(detail=f"{proxy.name}: {type(error).__name__}: {error}") from error
    status = _STATUS.match(head)
    if not status:
        raise ProxyFailed(detail=f"{proxy.name}: its answer to CONNECT is not HTTP")
    if not status[1].startswith(b"2"):
        raise proxy_error(int(status[1]), proxy)


def proxy_error(status: int, proxy: Proxy) -> ProxyFailed:
    """Return what a refusing status of the proxy's own means."""
    detail = f"{proxy.name}: answered {status}"
    if status in _REASONS:
        detail = f"{detail}: {_REASONS[status]}"
    if 400 <= status < 500:
        return ProxyRefused(detail=detail)
    return ProxyFailed(detail=detail)


def _read_head(connection: Socket, proxy: Proxy, until: float) -> bytes:
    """Return the proxy's answer up to its blank line; nothing may have followed that yet."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.receive(until)
        head += data
        if not data:
            raise ProxyFailed(detail=f"{proxy.name}: no whole answer to CONNECT")
        if len(head) > MAX_HEAD_BYTES:
            raise ProxyFailed(detail=f"{proxy.name}: too long an answer to CONNECT")
    return head
