"""Who has a slot at a port that is full."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub.net.connection_slots import (
    MAX_KNOWN,
    SLOTS_OF_KNOWN,
    ConnectionSlot,
    ConnectionSlots,
    Full,
    KnownAddresses,
    Limits,
)
from hub.net.networks import Networks

ATTACKER, OTHER, CAMERA = "10.0.0.66", "10.0.0.67", "10.0.0.1"


class Port:
    """A port's slots, and the connections that were cut off, by the names that the test gave."""

    def __init__(self, connections: int, per_address: int = 1000, proxies: str = "") -> None:
        self.known = KnownAddresses()
        limits = Limits(connections, per_address, Networks(proxies))
        self.slots = ConnectionSlots(limits, self.known)
        self.cut: list[str] = []

    def take(self, address: str, name: str = "") -> ConnectionSlot:
        return self.slots.take(address, self._cut(name or address))

    def _cut(self, name: str) -> Callable[[], None]:
        return lambda: self.cut.append(name)


def test_a_newcomer_takes_a_place_of_the_source_that_has_the_most() -> None:
    port = Port(6)
    for address, count in ((ATTACKER, 4), (OTHER, 2)):
        for _ in range(count):
            port.take(address)
    port.take(CAMERA)
    assert port.cut == [ATTACKER]
    assert port.slots.taken == 6


def test_of_the_largest_source_the_silent_and_of_those_the_young_go_first() -> None:
    port = Port(4)
    first, _, third, _ = [port.take(ATTACKER, f"connection {n}") for n in range(1, 5)]
    third.speak()
    first.speak()
    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
        port.take(address)
    # The third spoke first, so the first is the younger one of those who have spoken.
    assert port.cut == ["connection 4", "connection 2", "connection 1"]


def test_the_largest_source_gets_no_further_place() -> None:
    port = Port(4)
    for _ in range(3):
        port.take(ATTACKER)
    port.take(CAMERA)
    with pytest.raises(Full) as full:
        port.take(ATTACKER)
    assert full.value.limit == "connections"
    assert port.cut == []


def test_sources_of_the_same_size_do_not_take_places_of_each_other_for_ever() -> None:
    port = Port(4)
    for address in (ATTACKER, OTHER):
        for _ in range(2):
            port.take(address)
    for address in (ATTACKER, OTHER):
        with pytest.raises(Full):
            port.take(address)
    assert port.cut == []


def test_a_known_address_gets_in_although_every_source_has_one_connection_only() -> None:
    port = Port(50)
    for number in range(50):
        port.take(f"10.1.0.{number}")
    with pytest.raises(Full):
        port.take(CAMERA)
    port.known.note(CAMERA)
    port.take(CAMERA)
    assert port.cut == ["10.1.0.0"]


def test_a_known_address_can_count_on_some_places_and_no_more() -> None:
    port = Port(SLOTS_OF_KNOWN * 2)
    port.known.note(CAMERA)
    for _ in range(SLOTS_OF_KNOWN * 2 - 1):
        port.take(CAMERA)
    port.take(ATTACKER)
    for _ in range(SLOTS_OF_KNOWN // 2 - 1):
        port.take(ATTACKER)
    assert set(port.cut) == {CAMERA}
    with pytest.raises(Full):
        port.take(ATTACKER)


def test_a_kept_place_is_taken_by_nobody() -> None:
    port = Port(2)
    for name in ("first", "second"):
        slot = port.take(ATTACKER, name)
        slot.keep()
        slot.speak()
    port.known.note(CAMERA)
    with pytest.raises(Full):
        port.take(CAMERA)
    assert port.cut == []


def test_a_place_that_is_released_can_be_taken_again() -> None:
    port = Port(2)
    kept = [port.take(ATTACKER, name) for name in ("first", "second")]
    for slot in kept:
        slot.release()
        slot.keep()
    kept[0].release()
    kept[0].release()
    port.known.note(CAMERA)
    port.take(CAMERA)
    assert port.cut == ["first"]
    kept[0].release()
    kept[1].leave()
    kept[1].release()
    assert port.slots.taken == 1


def test_a_place_that_was_given_back_is_free() -> None:
    port = Port(1)
    for _ in range(3):
        slot = port.take(ATTACKER)
        slot.leave()
        slot.leave()
    assert port.slots.taken == 0
    kept = port.take(ATTACKER)
    kept.keep()
    kept.leave()
    port.take(CAMERA)
    assert port.cut == []


def test_the_addresses_of_one_ipv6_network_count_together() -> None:
    port = Port(4, per_address=3)
    for number in range(3):
        port.take(f"2001:db8::{number}")
    with pytest.raises(Full) as full:
        port.take("2001:db8::ffff")
    assert full.value.limit == "per_address"
    port.take(CAMERA)
    port.take(OTHER)
    assert port.cut == ["2001:db8::2"]


def test_a_known_address_counts_apart_from_its_ipv6_network() -> None:
    """Or one host could shut out the cameras of its network."""
    port = Port(4, per_address=4)
    camera = "2001:db8::1"
    port.known.note(camera)
    for number in range(4):
        port.take(f"2001:db8::66:{number}")
    slot = port.take(camera)
    assert port.cut == ["2001:db8::66:3"]
    slot.leave()
    assert port.slots.taken == 3


def test_one_address_has_its_own_limit() -> None:
    port = Port(10, per_address=2)
    port.known.note(ATTACKER)
    port.take(ATTACKER)
    port.take(ATTACKER)
    with pytest.raises(Full) as full:
        port.take(ATTACKER)
    assert full.value.limit == "per_address"


def test_trusted_proxies_have_half_of_the_places_together_whatever_one_address_may_have() -> None:
    port = Port(10, per_address=2, proxies="10.0.1.0/24")
    for number in range(5):
        port.take(f"10.0.1.{number % 2}")
    with pytest.raises(Full) as full:
        port.take("10.0.1.2")
    assert full.value.limit == "proxies"
    assert port.slots.taken == 5
    port.take(ATTACKER)


def test_nobody_takes_the_places_of_trusted_proxies() -> None:
    port = Port(8, proxies="10.0.1.1")
    for _ in range(4):
        port.take("10.0.1.1")
    for number in range(4):
        port.take(f"10.0.2.{number}")
    with pytest.raises(Full):
        port.take(ATTACKER)
    assert port.cut == []


def test_trusted_proxies_get_their_places_although_the_port_is_full() -> None:
    port = Port(8, proxies="10.0.1.1")
    for number in range(8):
        port.take(f"10.0.2.{number}")
    for _ in range(4):
        port.take("10.0.1.1")
    assert len(port.cut) == 4
    assert port.slots.taken == 8


def test_a_proxy_that_is_known_has_the_places_of_proxies() -> None:
    port = Port(8, per_address=2, proxies="10.0.1.1")
    port.known.note("10.0.1.1")
    for _ in range(4):
        port.take("10.0.1.1")
    assert port.slots.taken == 4


def test_the_addresses_that_are_known_are_bounded() -> None:
    known = KnownAddresses()
    known.note(CAMERA)
    for number in range(MAX_KNOWN - 1):
        known.note(f"address {number}")
    known.note(CAMERA)
    known.note("one more")
    assert CAMERA in known
    assert "address 0" not in known


def test_a_place_without_a_port_does_nothing() -> None:
    slot = ConnectionSlot()
    slot.speak()
    slot.keep()
    slot.leave()
