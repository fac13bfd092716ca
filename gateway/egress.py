"""Which addresses are the internet's, and which lead back into our own network.

Sources: the IANA special-purpose address registries (RFC 6890), RFC 6052 and RFC 8215 (NAT64), RFC 3056 (6to4).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that IANA has given out for use on the internet
_SIX_TO_FOUR = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")
_INSIDE_TOO = (  # what Python's own table takes, or in older versions took, for public
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments; Oracle's metadata service is here
    IPv4Network("168.63.129.16"),  # Azure's: it leads to the machine's own host
)


def inside(address: str) -> bool:
    """Whether an address is no public one: loopback, link-local, private, shared (CGNAT), multicast, unspecified,
    reserved, a cloud's metadata service, or one of IPv6 that stands for such an address of IPv4.

    :param address: as a resolver gives it; a scope such as ``%eth0`` may follow.
    """
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        embedded = _embedded(found)
        if embedded is None:
            return found not in _GLOBAL_UNICAST or not found.is_global
        found = embedded
    return not found.is_global or found.is_multicast or any(found in network for network in _INSIDE_TOO)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The address of IPv4 that packets to this one end at, if it is such a one."""
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in _SIX_TO_FOUR:
        return address.sixtofour
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
