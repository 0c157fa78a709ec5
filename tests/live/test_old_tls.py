"""Which clients have old TLS: bounded in number and in time."""

from __future__ import annotations

import pytest

from hub.live.old_tls import KEPT_SECONDS, MAX_DEVICES, MAX_REFUSED, OldTls, is_legacy
from tests.support.clock import FrozenClock


@pytest.fixture
def old_tls(clock: FrozenClock) -> OldTls:
    return OldTls(clock)


def test_a_refused_address_is_kept_for_an_hour_after_its_last_attempt(
    old_tls: OldTls, clock: FrozenClock
) -> None:
    old_tls.refuse("10.0.0.5", "devices")
    clock.advance(KEPT_SECONDS - 1)
    old_tls.refuse("10.0.0.5", "devices")
    clock.advance(KEPT_SECONDS)
    (refused,) = old_tls.refused()
    assert (refused.address, refused.port_name, refused.tries) == ("10.0.0.5", "devices", 2)
    clock.advance(1)
    assert old_tls.refused() == []


def test_both_ports_of_an_address_are_named_the_latest_first(old_tls: OldTls) -> None:
    old_tls.refuse("10.0.0.5", "devices")
    old_tls.refuse("10.0.0.5", "web")
    assert [one.port_name for one in old_tls.refused()] == ["web", "devices"]


def test_of_many_refused_addresses_the_latest_stay(old_tls: OldTls) -> None:
    for number in range(MAX_REFUSED + 10):
        old_tls.refuse(f"10.0.0.{number}", "devices")
    assert len(old_tls.refused()) == MAX_REFUSED
    assert old_tls.refused()[-1].address == "10.0.0.10"


def test_a_camera_with_a_legacy_suite_is_named_until_it_connects_with_a_modern_one(
    old_tls: OldTls,
) -> None:
    old_tls.connected("7", "AES128-SHA")
    old_tls.connected("8", "TLS_AES_256_GCM_SHA384")
    old_tls.connected("9", "")
    assert old_tls.legacy_suites() == {"7": "AES128-SHA"}
    old_tls.connected("7", "ECDHE-RSA-CHACHA20-POLY1305")
    assert old_tls.legacy_suites() == {}


@pytest.mark.parametrize(
    ("suite", "legacy"),
    [
        ("TLS_CHACHA20_POLY1305_SHA256", False),
        ("ECDHE-ECDSA-AES128-GCM-SHA256", False),
        ("ECDHE-RSA-AES128-SHA256", True),
        ("AES256-GCM-SHA384", True),
        ("AES128-SHA", True),
    ],
)
def test_suites_without_forward_secrecy_or_with_cbc_are_legacy(suite: str, legacy: bool) -> None:
    assert is_legacy(suite) is legacy


def test_of_many_devices_with_old_tls_those_that_connected_last_stay(old_tls: OldTls) -> None:
    for number in range(MAX_DEVICES):
        old_tls.connected(str(number), "AES128-SHA")
    old_tls.connected("0", "AES128-SHA")
    old_tls.connected("new", "AES128-SHA")
    assert len(old_tls.legacy_suites()) == MAX_DEVICES
    assert "0" in old_tls.legacy_suites()
    assert "1" not in old_tls.legacy_suites()
