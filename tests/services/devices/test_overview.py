"""The overview of cameras: by name, in the state that they are in now."""

from __future__ import annotations

import pytest

from hub.services.devices import overview
from hub.store.tables.devices import DeviceChange, NewDevice
from tests.support.clock import FrozenClock
from tests.support.gate import CODE, SN, FakeLink, Gate, gate


async def add(site: Gate, did: str, name: str = "") -> None:
    await site.devices.add(NewDevice(sn=f"SN{did}", code=CODE, did=did, name=name))


def names(site: Gate) -> list[str]:
    return [one.name for one in site.devices.overview.all()]


async def test_cameras_are_sorted_by_name_and_then_by_did(clock: FrozenClock) -> None:
    site = gate(clock)
    for did, name in (("10", "gate"), ("2", "Gate"), ("3", "Yard"), ("4", ""), ("5", "door")):
        await add(site, did, name)
    assert [one.did for one in site.devices.overview.all()] == ["5", "2", "10", "4", "3"]
    assert names(site) == ["door", "Gate", "gate", "SN4", "Yard"]
    assert site.devices.overview.count == 5


async def test_a_camera_that_is_renamed_replaced_or_removed_moves_at_once(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    for did in "123":
        await add(site, did, f"Door {did}")
    await site.devices.change("1", DeviceChange(name="Yard"))
    assert names(site) == ["Door 2", "Door 3", "Yard"]
    await site.devices.remove("2")
    await add(site, "9", "A")
    assert names(site) == ["A", "Door 3", "Yard"]
    await add(site, "8")
    await site.devices.change("8", DeviceChange(sn="B"))
    assert names(site) == ["A", "B", "Door 3", "Yard"]


async def test_the_state_is_that_of_now_without_sorting_again(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = gate(clock)
    await site.enrol()
    (before,) = site.devices.overview.all()
    assert (before.state, before.waiting) == ("offline", None)
    with monkeypatch.context() as patch:
        patch.setattr(overview, "_sort_key", lambda device: pytest.fail("sorted again"))
        await site.connect(FakeLink(), site.connect_param())
        (connected,) = site.devices.overview.all()
    assert (connected.sn, connected.state) == (SN, "online")
    await site.devices.change(connected.did, DeviceChange(enabled=False))
    (disabled,) = site.devices.overview.all()
    assert disabled.state == "disabled"


async def test_the_address_is_the_one_that_was_reported_last(clock: FrozenClock) -> None:
    site = gate(clock)
    await add(site, "1")
    assert site.devices.overview.ip("1") == ""
    assert site.devices.overview.ip("404") == ""
    site.devices.note("SN1", ip="10.0.0.7")
    assert site.devices.overview.ip("1") == "10.0.0.7"
    await site.devices.flush()
    assert site.devices.overview.ip("1") == "10.0.0.7"
