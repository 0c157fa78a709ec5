"""What counts as one source of traffic: an IPv4 address, or an IPv6 network."""

from __future__ import annotations

from ipaddress import ip_network

#: A host may use any address of its IPv6 /64, so that addresses counted singly bound nothing.
_IPV6_BITS = 64


def network_of(address: str, *, ipv4_bits: int = 32) -> str:
    """Return the network of an address as a key: of IPv6 the /64, of IPv4 the address itself.

    `ipv4_bits`: the length of the prefix of IPv4. What is no address is returned as it is.
    """
    if ":" not in address and ipv4_bits == 32:
        return address
    try:
        return str(ip_network((address, _IPV6_BITS if ":" in address else ipv4_bits), strict=False))
    except ValueError:
        return address
