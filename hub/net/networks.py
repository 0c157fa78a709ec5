"""What counts as one source of traffic: an IPv4 address, or an IPv6 network."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

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


class Networks:
    """Some addresses and networks, as in a setting: separated by commas or spaces."""

    def __init__(self, text: str) -> None:
        """Raises ValueError if a part is no address and no network."""
        parts = text.replace(",", " ").split()
        self._networks = tuple(ip_network(part, strict=False) for part in parts)

    def include(self, address: str) -> bool:
        """Whether `address` is one of them. What is no address is not."""
        if not self._networks:
            return False
        try:
            found = ip_address(address)
        except ValueError:
            return False
        # A socket for both families shows IPv4 clients as ::ffff:192.0.2.1.
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self._networks)


NO_NETWORKS = Networks("")
