"""A camera that is moved stops, whatever becomes of the browser, the connection and the hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import DeviceOffline, DeviceRefused, DeviceSilent, HubError, TooManyRequests
from hub.services.camera_functions.pan_tilt import PanTilt
from hub.services.commands.calls import Commands
from hub.wire.commands.dialect import Command
from hub.wire.commands.edition_3_commands import PRESET_LOCATE
from hub.wire.commands.edition_3_params import PresetOf

START, STOP = "/ptz/move_start", "/ptz/move_stop"


class Cameras:
    """Takes the calls. `outcome`: an error, or an event that a call waits for, by its uri."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.outcome: Callable[[str], HubError | trio.Event | None] = lambda uri: None

    async def call(self, did: str, command: Command[Any, Any], param: Any) -> None:
        await trio.lowlevel.checkpoint()
        self.asked.append((did, command.uri, msgspec.to_builtins(param)))
        outcome = self.outcome(command.uri)
        if isinstance(outcome, trio.Event):
            await outcome.wait()
        elif outcome is not None:
            raise outcome

    @property
    def uris(self) -> list[str]:
        return self.uris_of("1")

    def uris_of(self, did: str) -> list[str]:
        return [uri for one, uri, _ in self.asked if one == did]


@pytest.fixture
def cameras() -> Cameras:
    return Cameras()


@pytest.fixture
async def pan_tilt(cameras: Cameras, nursery: trio.Nursery) -> PanTilt:
    pan_tilt = PanTilt(cast(Commands, cameras))
    await nursery.start(pan_tilt.run)
    return pan_tilt


async def seconds(count: float) -> None:
    await trio.sleep(count)
    await wait_all_tasks_blocked()


async def test_a_move_runs_until_it_is_released(pan_tilt: PanTilt, cameras: Cameras) -> None:
    assert await pan_tilt.move("1", "p1", tilt=0, pan=80)
    assert cameras.asked[0][2] == {"tiltUp": 0, "panLeft": 80, "channelid": 0}
    assert cameras.uris == [START]
    await pan_tilt.release("1", "p1")
    assert cameras.uris == [START, STOP]


async def test_the_hub_stops_a_move_that_nobody_releases(
    pan_tilt: PanTilt, cameras: Cameras, autojump_clock: MockClock
) -> None:
    await pan_tilt.move("1", "p1", tilt=80, pan=0)
    await seconds(4.9)
    assert cameras.uris == [START]
    await seconds(0.2)
    assert cameras.uris == [START, STOP]
    # The release that comes late has nothing to do.
    await pan_tilt.release("1", "p1")
    await seconds(60)
    assert cameras.uris == [START, STOP]


async def test_a_step_is_short(
    pan_tilt: PanTilt, cameras: Cameras, autojump_clock: MockClock
) -> None:
    await pan_tilt.step("1", tilt=0, pan=-80)
    await seconds(0.6)
    assert cameras.uris == [START, STOP]


async def test_a_release_that_overtakes_its_press_prevents_it(
    pan_tilt: PanTilt, cameras: Cameras
) -> None:
    await pan_tilt.release("1", "p1")
    assert not await pan_tilt.move("1", "p1", tilt=0, pan=80)
    assert cameras.uris == []


async def test_a_stop_that_may_have_overtaken_its_start_is_sent_again(
    pan_tilt: PanTilt, cameras: Cameras, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    answered = trio.Event()
    cameras.outcome = lambda uri: answered if uri == START else None

    async def move() -> None:
        await pan_tilt.move("1", "p1", tilt=0, pan=80)

    nursery.start_soon(move)
    await wait_all_tasks_blocked()
    await pan_tilt.release("1", "p1")
    answered.set()
    await seconds(0.1)
    assert cameras.uris == [START, STOP, STOP]


async def test_a_start_that_is_answered_after_a_later_move_ended_is_stopped(
    pan_tilt: PanTilt, cameras: Cameras, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    answered = trio.Event()
    cameras.outcome = lambda uri: answered if uri == START else None

    async def move() -> None:
        await pan_tilt.move("1", "p1", tilt=0, pan=80)

    nursery.start_soon(move)
    await wait_all_tasks_blocked()
    cameras.outcome = lambda uri: None
    await pan_tilt.move("1", "p2", tilt=0, pan=80)
    await pan_tilt.release("1", "p2")
    answered.set()
    await seconds(0.1)
    assert cameras.uris == [START, START, STOP, STOP]


async def test_a_later_press_takes_over_and_the_earlier_release_does_not_stop_it(
    pan_tilt: PanTilt, cameras: Cameras, autojump_clock: MockClock
) -> None:
    await pan_tilt.move("1", "p1", tilt=0, pan=80)
    await seconds(4)
    await pan_tilt.move("1", "p2", tilt=80, pan=0)
    await pan_tilt.release("1", "p1")
    await seconds(4)
    assert cameras.uris == [START, START]
    await seconds(1.1)
    assert cameras.uris == [START, START, STOP]


async def test_a_stop_that_fails_is_repeated_until_the_camera_takes_it(
    pan_tilt: PanTilt, cameras: Cameras, autojump_clock: MockClock
) -> None:
    await pan_tilt.move("1", "p1", tilt=0, pan=80)
    cameras.outcome = lambda uri: DeviceOffline("gone")
    with pytest.raises(DeviceOffline):
        await pan_tilt.release("1", "p1")
    await seconds(3)
    cameras.outcome = lambda uri: None
    await seconds(1.5)
    tried = len(cameras.uris)
    assert tried >= 4
    await seconds(10)
    assert len(cameras.uris) == tried


async def test_a_stop_is_not_repeated_for_ever(
    pan_tilt: PanTilt, cameras: Cameras, autojump_clock: MockClock
) -> None:
    await pan_tilt.move("1", "p1", tilt=0, pan=80)
    cameras.outcome = lambda uri: DeviceSilent("nothing")
    await seconds(90)
    tried = len(cameras.uris)
    await seconds(90)
    assert len(cameras.uris) == tried


async def test_a_camera_that_refuses_to_move_is_not_stopped(
    pan_tilt: PanTilt, cameras: Cameras, autojump_clock: MockClock
) -> None:
    cameras.outcome = lambda uri: DeviceRefused(404, "")
    with pytest.raises(DeviceRefused):
        await pan_tilt.move("1", "p1", tilt=0, pan=80)
    await seconds(10)
    assert cameras.uris == [START]


async def test_a_move_that_was_not_answered_is_stopped(
    pan_tilt: PanTilt, cameras: Cameras, autojump_clock: MockClock
) -> None:
    cameras.outcome = lambda uri: DeviceSilent("nothing") if uri == START else None
    with pytest.raises(DeviceSilent):
        await pan_tilt.move("1", "p1", tilt=0, pan=80)
    await seconds(6)
    assert cameras.uris == [START, STOP]


async def test_a_silent_camera_does_not_delay_the_stop_of_another(
    pan_tilt: PanTilt, cameras: Cameras, autojump_clock: MockClock
) -> None:
    await pan_tilt.move("1", "p1", tilt=0, pan=80)
    never = trio.Event()
    cameras.outcome = lambda uri: never if uri == STOP else None
    await seconds(1)
    await pan_tilt.move("2", "p2", tilt=0, pan=80)
    await seconds(5.1)
    assert cameras.uris_of("2") == [START, STOP]


async def test_cameras_stop_when_the_hub_ends(cameras: Cameras) -> None:
    pan_tilt = PanTilt(cast(Commands, cameras))
    async with trio.open_nursery() as nursery:
        await nursery.start(pan_tilt.run)
        await pan_tilt.move("1", "p1", tilt=0, pan=80)
        nursery.cancel_scope.cancel()
    assert cameras.uris == [START, STOP]


async def test_a_move_ends_before_another_command(pan_tilt: PanTilt, cameras: Cameras) -> None:
    await pan_tilt.move("1", "p1", tilt=0, pan=80)
    await pan_tilt.call("1", PRESET_LOCATE, PresetOf(presetno=3))
    assert cameras.uris == [START, STOP, "/ptz/preset_locate"]


async def test_each_camera_takes_a_bounded_number_of_commands(
    pan_tilt: PanTilt, cameras: Cameras, autojump_clock: MockClock
) -> None:
    for number in range(10):
        await pan_tilt.move("1", f"p{number}", tilt=0, pan=80)
    with pytest.raises(TooManyRequests):
        await pan_tilt.move("1", "p10", tilt=0, pan=80)
    # What moves can be stopped nevertheless.
    await pan_tilt.stop("1")
    assert cameras.uris[-1] == STOP
    await seconds(5.1)
    assert await pan_tilt.move("1", "p11", tilt=0, pan=80)


async def test_many_small_moves_of_one_person_are_one_entry(
    pan_tilt: PanTilt, autojump_clock: MockClock
) -> None:
    assert pan_tilt.is_first_of_many("1", "ann")
    await seconds(50)
    assert not pan_tilt.is_first_of_many("1", "ann")
    assert pan_tilt.is_first_of_many("1", "ben")
    await seconds(61)
    assert pan_tilt.is_first_of_many("1", "ann")
