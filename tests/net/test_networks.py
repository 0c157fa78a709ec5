from __future__ import annotations

import pytest

from hub.net.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("2001:db8::5", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::1", "2001:db8::/64"),
        ("2001:db8:0:1::5", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
        ("a:b", "a:b"),
    ],
)
def test_a_source_is_what_one_host_may_own(address: str, network: str) -> None:
    assert network_of(address) == network


def test_the_prefix_of_ipv4_can_be_shorter() -> None:
    assert network_of("10.0.0.5", ipv4_bits=24) == "10.0.0.0/24"
    assert network_of("2001:db8::5", ipv4_bits=24) == "2001:db8::/64"
