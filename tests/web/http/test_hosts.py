"""Hosts that are names, and what is none."""

from __future__ import annotations

import pytest

from web.http.hosts import is_host


@pytest.mark.parametrize(
    "host",
    [
        "",
        "hub",
        "hub.",
        "hub:8443",
        "hub:",
        "192.168.100.10:8443",
        "[::1]",
        "[fe80::1]:8443",
        "[::ffff:1.2.3.4]",
        "my_hub-2.site.example",
        "xn--fiqs8s.example",
        "a" * 63 + ".b",
    ],
)
def test_a_name_or_an_address_is_a_host(host: str) -> None:
    assert is_host(host.encode())


@pytest.mark.parametrize(
    "host",
    [
        "a..b",
        ".",
        "..",
        ".hub",
        "a" * 64,
        "hub." + "a" * 64,
        "a." * 127 + "a",
        "[",
        "[::1",
        "[]",
        "[::g]",
        "[1:2]",
        "[::1]x",
        "hub:x",
        "hub:-1",
        "hub:99999",
        "a:b:c",
        ":80",
        "::1",
        "user@hub",
        "http://hub",
        "hub/path",
        "hub?x",
        "hub#x",
        "hub hub",
        "hub,hub",
        "a\\b",
        "%00",
        "主机",
        "*",
        "hub\n",
        "[fe80::1%25eth0]",
    ],
)
def test_anything_else_is_none(host: str) -> None:
    assert not is_host(host.encode())
