"""The client that trusted proxies name; nobody else can say who they are."""

from __future__ import annotations

from typing import Any

import pytest

from hub.net.networks import NO_NETWORKS, Networks
from web.proxy.forwarded import seen_through

PROXIES = Networks("10.0.0.1, 10.1.0.0/16 ::1")


def seen(
    *headers: tuple[str, str], peer: str = "10.0.0.1", trusted: Networks = PROXIES
) -> tuple[str, str]:
    """The client and the scheme of a request with these headers."""
    scope: Any = {
        "type": "http",
        "scheme": "http",
        "client": (peer, 4711),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }
    found = seen_through(scope, trusted)
    assert found["client"] is not None
    return found["client"][0], found["scheme"]


@pytest.mark.parametrize(
    ("written", "client", "scheme"),
    [
        ("for=192.0.2.7", "192.0.2.7", "http"),
        ("for=192.0.2.7;proto=https", "192.0.2.7", "https"),
        ('For="192.0.2.7:8080" ; Proto=HTTPS', "192.0.2.7", "https"),
        ('for="[2001:db8::1]:8080";proto=https', "2001:db8::1", "https"),
        ('by=_x;for="[2001:DB8::1]";host="a,b;c"', "2001:db8::1", "http"),
        # Through two of our proxies.
        ("for=192.0.2.7;proto=https, for=10.1.2.3;proto=http", "192.0.2.7", "http"),
    ],
)
def test_forwarded_names_the_client_and_the_scheme(written: str, client: str, scheme: str) -> None:
    assert seen(("Forwarded", written)) == (client, scheme)


def test_x_forwarded_for_counts_as_well() -> None:
    headers = ("X-Forwarded-For", "192.0.2.7, 10.1.2.3"), ("X-Forwarded-Proto", "https")
    assert seen(*headers) == ("192.0.2.7", "https")


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For"])
def test_what_others_write_is_ignored(header: str) -> None:
    spoofed = "for=192.0.2.7;proto=https" if header == "Forwarded" else "192.0.2.7"
    named = (header, spoofed), ("X-Forwarded-Proto", "https")
    assert seen(*named, peer="203.0.113.9") == ("203.0.113.9", "http")
    assert seen(*named, peer="10.0.0.2") == ("10.0.0.2", "http")
    assert seen(*named, trusted=NO_NETWORKS) == ("10.0.0.1", "http")


def test_what_a_client_wrote_before_the_proxy_is_ignored() -> None:
    assert seen(("Forwarded", "for=127.0.0.1, for=203.0.113.9")) == ("203.0.113.9", "http")
    assert seen(("X-Forwarded-For", "127.0.0.1, 10.0.0.1, 203.0.113.9"))[0] == "203.0.113.9"
    # In a header of its own, before that of the proxy.
    two = ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "203.0.113.9")
    assert seen(*two) == ("203.0.113.9", "http")


def test_a_header_that_the_proxy_does_not_know_is_not_believed() -> None:
    """The proxy writes one of the two, and passes on what the client wrote into the other."""
    both = ("Forwarded", "for=127.0.0.1;proto=https"), ("X-Forwarded-For", "203.0.113.9")
    assert seen(*both) == ("10.0.0.1", "http")
    agreed = ("Forwarded", "for=203.0.113.9"), ("X-Forwarded-For", "203.0.113.9")
    assert seen(*agreed) == ("203.0.113.9", "http")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "for=unknown",
        "for=_hidden",
        "for",
        'for="192.0.2.7',
        "for=192.0.2.7 x",
        "for=1.2.3.4.5",
        "for=999.0.0.1",
        "proto=https",
        ";;,",
        "for=192.0.2.7, ;",
        'for="[::1"',
        'for="2001:db8::1%any text"',
    ],
)
def test_what_names_nobody_leaves_the_proxy_as_the_client(written: str) -> None:
    assert seen(("Forwarded", written))[0] == "10.0.0.1"


def test_an_ipv4_proxy_is_known_on_a_socket_for_both_families() -> None:
    assert seen(("X-Forwarded-For", "192.0.2.7"), peer="::ffff:10.0.0.1")[0] == "192.0.2.7"


@pytest.mark.parametrize("text", ["localhost", "10.0.0.0/33", "1.2.3", "10.0.0.1; 10.0.0.2"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        Networks(text)
