"""What cameras say of themselves is asked when somebody looks, and kept for a while (D12)."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import DeviceOffline, DeviceSilent
from hub.live.registry import DeviceAnswer
from hub.services.camera_functions.readings import FRESH_SECONDS, WAIT_SECONDS, CameraReadings
from hub.wire.commands.edition_3_answers import DeviceInformation
from hub.wire.commands.edition_3_commands import GET_INFO
from tests.support.clock import FrozenClock
from tests.support.commanded_device import CommandedDevice, commanded_device
from tests.support.commanded_link import answer

INFO = {"model": "SIM-C3", "auth_code": "12345678", "firmware": "1.1.7_x"}


async def asked(
    clock: FrozenClock, nursery: trio.Nursery, result: object = INFO
) -> tuple[CommandedDevice, CameraReadings]:
    def reply(uri: str, param: object) -> DeviceAnswer:
        return answer(0, result=result)

    device = await commanded_device(clock, nursery, reply)
    return device, CameraReadings(device.site.devices, device.commands, clock)


async def test_an_answer_is_kept_for_a_while(clock: FrozenClock, nursery: trio.Nursery) -> None:
    device, readings = await asked(clock, nursery)
    first = await readings.read(device.did, GET_INFO)
    assert first.value == DeviceInformation(model="SIM-C3", firmware="1.1.7_x")
    assert (first.read_at, first.error) == (int(clock() * 1000), None)
    assert await readings.read(device.did, GET_INFO) == first
    assert len(device.link.asked) == 1
    clock.advance(FRESH_SECONDS)
    assert (await readings.read(device.did, GET_INFO)).read_at == int(clock() * 1000)
    assert len(device.link.asked) == 2


async def test_somebody_may_wish_to_ask_again(clock: FrozenClock, nursery: trio.Nursery) -> None:
    device, readings = await asked(clock, nursery)
    await readings.read(device.did, GET_INFO)
    await readings.read(device.did, GET_INFO, anew=True)
    assert len(device.link.asked) == 2
    readings.forget(device.did, GET_INFO)
    await readings.read(device.did, GET_INFO)
    assert len(device.link.asked) == 3


async def test_the_code_of_the_label_is_not_kept(clock: FrozenClock, nursery: trio.Nursery) -> None:
    device, readings = await asked(clock, nursery)
    found = (await readings.read(device.did, GET_INFO)).value
    assert found is not None
    assert found.auth_code is None


async def test_of_an_offline_camera_the_last_answer_is_shown(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    device, readings = await asked(clock, nursery)
    first = await readings.read(device.did, GET_INFO)
    device.leave()
    clock.advance(FRESH_SECONDS)
    later = await readings.read(device.did, GET_INFO)
    assert (later.value, later.read_at) == (first.value, first.read_at)
    assert isinstance(later.error, DeviceOffline)


async def test_nobody_waits_for_a_silent_camera_for_long(
    clock: FrozenClock, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    device = await commanded_device(clock, nursery)
    readings = CameraReadings(device.site.devices, device.commands, clock)
    before = trio.current_time()
    found = await readings.read(device.did, GET_INFO)
    assert (found.value, type(found.error)) == (None, DeviceSilent)
    assert trio.current_time() - before == WAIT_SECONDS


async def test_an_answer_is_not_kept_if_the_camera_was_told_something_else_meanwhile(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    device = await commanded_device(clock, nursery)
    readings = CameraReadings(device.site.devices, device.commands, clock)
    async with trio.open_nursery() as looking:
        looking.start_soon(readings.read, device.did, GET_INFO)
        await wait_all_tasks_blocked()
        readings.forget(device.did, GET_INFO)
        device.link.asked[0].give(answer(0, result=INFO))
    async with trio.open_nursery() as looking:
        looking.start_soon(readings.read, device.did, GET_INFO)
        await wait_all_tasks_blocked()
        device.link.asked[1].give(answer(0, result=INFO))
    await readings.read(device.did, GET_INFO)
    assert len(device.link.asked) == 2
