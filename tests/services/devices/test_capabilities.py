"""What is known of a camera is kept with its source; an administrator has the last word (D12)."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from hub.errors import BadParameter, NoSuchResource
from hub.services.devices.capabilities import PARTS, CameraCapabilities, CapabilityView
from hub.store.tables.devices import DeviceChange
from hub.wire.commands.capabilities import (
    UNKNOWN,
    Capabilities,
    CommandGroup,
    with_connect,
    with_firmware,
    with_group,
)
from tests.support.clock import FrozenClock
from tests.support.core import core_of
from tests.support.gate import SN, FakeLink, Gate, gate


async def enrolled(clock: FrozenClock) -> tuple[Gate, CameraCapabilities, str]:
    site = gate(clock)
    device = await site.enrol()
    return site, CameraCapabilities(core_of(site.store, clock)), device.did


def view(capabilities: CameraCapabilities, did: str, part: str) -> CapabilityView:
    return next(one for one in capabilities.views(did) if one.part == part)


def third(known: Capabilities) -> Capabilities:
    known = with_firmware(with_connect(known, "unsigned"), "1.1.7_x")
    return with_group(known, "information", is_known=True)


async def test_nothing_is_known_of_a_new_camera(clock: FrozenClock) -> None:
    _, capabilities, did = await enrolled(clock)
    assert capabilities.of(did) == UNKNOWN
    assert {one.learnt for one in capabilities.views(did)} == {None}


async def test_what_was_learnt_is_kept_with_its_source_and_the_firmware(
    clock: FrozenClock,
) -> None:
    site, capabilities, did = await enrolled(clock)
    await capabilities.learn(did, third, "get_info")
    again = CameraCapabilities(core_of(site.store, clock))
    assert again.of(did) == third(UNKNOWN)
    one = view(again, did, "group:information")
    assert (one.learnt, one.source, one.firmware) == ("yes", "get_info", "1.1.7_x")
    assert one.learnt_at == clock.ms


async def test_what_is_learnt_and_set_at_the_same_time_is_all_kept(clock: FrozenClock) -> None:
    _, capabilities, did = await enrolled(clock)
    groups: tuple[CommandGroup, ...] = ("media", "image")

    async def learn(group: CommandGroup) -> None:
        learn_group = partial(with_group, group=group, is_known=True)
        await capabilities.learn(did, learn_group, "answer")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(capabilities.override, did, "group:ptz", "no")
        for group in groups:
            nursery.start_soon(learn, group)
        nursery.start_soon(capabilities.override, did, "group:media", "no")
    assert {one.part: (one.learnt, one.override) for one in capabilities.views(did)} == {
        **{part: (None, None) for part in PARTS},
        "group:ptz": (None, "no"),
        "group:media": ("yes", "no"),
        "group:image": ("yes", None),
    }


async def test_what_is_known_already_is_not_written_again(clock: FrozenClock) -> None:
    site, capabilities, did = await enrolled(clock)
    await capabilities.learn(did, third, "get_info")
    writes = site.store.writes
    await capabilities.learn(did, third, "get_info")
    assert site.store.writes == writes


async def test_an_administrator_has_the_last_word_until_it_is_taken_back(
    clock: FrozenClock,
) -> None:
    _, capabilities, did = await enrolled(clock)
    await capabilities.learn(did, third, "get_info")
    await capabilities.override(did, "group:information", "no")
    await capabilities.override(did, "face", "2")
    assert capabilities.of(did).knows("information") is False
    assert capabilities.of(did).face == 2
    assert capabilities.learnt(did) == third(UNKNOWN)
    await capabilities.learn(did, lambda known: with_firmware(known, "1.1.8_x"), "get_info")
    assert capabilities.learnt(did) == Capabilities(connect="unsigned", firmware="1.1.8_x")
    assert capabilities.of(did).face == 2
    for part in ("group:information", "face"):
        await capabilities.override(did, part, None)
    assert capabilities.of(did) == capabilities.learnt(did)


@pytest.mark.parametrize(
    ("part", "value"), [("connect", "signed"), ("face", "4"), ("nothing", "1"), ("uploads", "yes")]
)
async def test_what_there_is_not_cannot_be_set(clock: FrozenClock, part: str, value: str) -> None:
    _, capabilities, did = await enrolled(clock)
    with pytest.raises(BadParameter):
        await capabilities.override(did, part, value)
    with pytest.raises(NoSuchResource):
        await capabilities.override("99", "face", "1")


async def test_another_camera_begins_anew(clock: FrozenClock) -> None:
    site, capabilities, did = await enrolled(clock)
    await capabilities.override(did, "face", "2")
    await site.devices.change(did, DeviceChange(sn="ANOTHER"))
    assert capabilities.of(did) == UNKNOWN
    await capabilities.override(did, "face", "3")
    await site.devices.remove(did)
    assert capabilities.of(did) == UNKNOWN
    assert site.store.rows("SELECT * FROM device_capability") == []


async def test_where_nothing_can_be_stored_nothing_is_learnt_and_the_connect_is_good(
    clock: FrozenClock,
) -> None:
    site, capabilities, did = await enrolled(clock)
    site.store.refuses = True
    await capabilities.learn(did, third, "get_info")
    assert capabilities.of(did) == UNKNOWN


async def test_a_signed_connect_tells_how_the_camera_connects(clock: FrozenClock) -> None:
    site, capabilities, did = await enrolled(clock)
    await site.connect(FakeLink(), site.connect_param())
    assert capabilities.of(did) == Capabilities(connect="signed")
    await site.connect(FakeLink(), site.connect_param(SN, did=did))
    assert view(capabilities, did, "connect").learnt == "did"
