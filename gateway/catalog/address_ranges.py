"""Which addresses are the internet's, and which lead back into our own network.

``gateway.http.connect.connector`` refuses calls to the latter.

Sources: the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890) as of November
2026, here in full, as Python's own tables differ by version; RFC 6052 and RFC 8215 (NAT64), RFC
3056 (6to4).
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that IANA has given out for use on the internet
_SIX_TO_FOUR = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")
_PRIVATE_V4 = (
    IPv4Network("0.0.0.0/8"),  # "this network"
    IPv4Network("10.0.0.0/8"),  # private use
    # Shared address space (CGNAT); Alibaba's metadata service is here.
    IPv4Network("100.64.0.0/10"),
    IPv4Network("127.0.0.0/8"),  # loopback
    IPv4Network("168.63.129.16/32"),  # Azure's: it leads to the machine's own host; in no registry
    IPv4Network("169.254.0.0/16"),  # link-local; most clouds' metadata services are here
    IPv4Network("172.16.0.0/12"),  # private use
    # IETF protocol assignments, answered by one's own network; Oracle's metadata service.
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.0.2.0/24"),  # documentation
    IPv4Network("192.88.99.0/24"),  # 6to4 relays and 6a44, deprecated (RFC 7526)
    IPv4Network("192.168.0.0/16"),  # private use
    IPv4Network("198.18.0.0/15"),  # benchmarks
    IPv4Network("198.51.100.0/24"),  # documentation
    IPv4Network("203.0.113.0/24"),  # documentation
    IPv4Network("224.0.0.0/4"),  # multicast
    IPv4Network("240.0.0.0/4"),  # reserved, and broadcast
)
# Of the global unicast addresses; loopback, ULA, link-local, discard and SRv6 lie outside of them.
_PRIVATE_V6 = (
    # IETF protocol assignments: Teredo, ORCHID, benchmarks, anycast to one's own network.
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
)


def is_private_host(host: str) -> bool:
    """Return whether a host is private as it is written, without a look-up.

    Such is an address in any spelling that resolvers take (``127.1``, ``0x7f.1``), or
    ``localhost`` (RFC 6761, 6.3).
    """
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = name.strip("[]").encode("idna").decode()
        if ":" not in address:
            address = socket.inet_ntoa(socket.inet_aton(address))  # which asks no resolver
        return is_private(address)
    except (ValueError, OSError):  # UnicodeError is a ValueError
        return False


def is_private(address: str) -> bool:
    """Return whether an address is no public one.

    Such are loopback, link-local, private, shared (CGNAT), multicast, unspecified, reserved, a
    cloud's metadata service, and an IPv6 address that stands for such an IPv4 address.

    :param address: as a resolver gives it; a scope such as ``%eth0`` may follow.
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        embedded = _embedded_v4(parsed)
        if embedded is None:
            return parsed not in _GLOBAL_UNICAST or any(
                parsed in network for network in _PRIVATE_V6
            )
        parsed = embedded
    return any(parsed in network for network in _PRIVATE_V4)


def _embedded_v4(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to this IPv6 address end at, if there is one."""
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in _SIX_TO_FOUR:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
