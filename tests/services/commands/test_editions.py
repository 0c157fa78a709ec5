"""Settings said in the words of the camera's edition, and what its answers teach (D12)."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from hub.errors import DeviceRefused, DeviceSilent
from hub.services.commands.calls import Commands
from hub.wire.commands import edition_3_commands as edition_3
from hub.wire.commands.capabilities import UNKNOWN, Capabilities
from hub.wire.commands.dialect import SET_FACE, SET_RECORDING
from tests.support.clock import FrozenClock
from tests.support.commanded_device import CommandedDevice, commanded_device, commands_of
from tests.support.commanded_link import answer
from tests.support.known_abilities import KnownAbilities

OF_1, OF_2, OF_3 = "/ivp/person_param_set", "/ivp/facecap_param_set", "/ivp/face_param_set"
UNSIGNED = Capabilities(connect="unsigned")


async def camera(
    clock: FrozenClock, nursery: trio.Nursery, known: Capabilities, codes: dict[str, int]
) -> tuple[CommandedDevice, Commands, KnownAbilities]:
    """A camera that answers these uris with these codes, and all others with 404."""
    one = await commanded_device(clock, nursery, lambda uri, param: answer(codes.get(uri, 404)))
    abilities = KnownAbilities(**{f"d{one.did}": known})
    return one, commands_of(one.site, abilities), abilities


@pytest.mark.parametrize(
    ("known", "takes", "asked"),
    [
        (UNKNOWN, OF_1, [OF_1]),
        (UNKNOWN, OF_2, [OF_1, OF_2]),
        (UNKNOWN, OF_3, [OF_1, OF_2, OF_3]),
        (UNSIGNED, OF_3, [OF_3]),
        (UNSIGNED, OF_2, [OF_3, OF_2]),
        (UNSIGNED, OF_1, [OF_3, OF_2, OF_1]),
        (Capabilities(face=2), OF_2, [OF_2]),
        (Capabilities(connect="signed", uploads=2), OF_2, [OF_2]),
    ],
)
async def test_after_a_404_the_next_edition_is_tried_and_the_one_that_is_taken_is_learnt(
    clock: FrozenClock,
    nursery: trio.Nursery,
    known: Capabilities,
    takes: str,
    asked: list[str],
) -> None:
    one, commands, abilities = await camera(clock, nursery, known, {takes: 200})
    await commands.call(one.did, SET_FACE, SET_FACE.example)
    assert one.link.uris == asked
    assert abilities.of(one.did).face == [OF_1, OF_2, OF_3].index(takes) + 1
    await commands.call(one.did, SET_FACE, SET_FACE.example)
    assert one.link.uris == [*asked, takes]


async def test_no_other_code_leads_to_the_next_edition(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    for code in (420, 401, 500):
        one, commands, abilities = await camera(clock, nursery, UNSIGNED, {OF_3: code})
        with pytest.raises(DeviceRefused, match=str(code)):
            await commands.call(one.did, SET_FACE, SET_FACE.example)
        assert one.link.uris == [OF_3]
        assert abilities.of(one.did).face == 3


async def test_a_camera_that_knows_no_edition_teaches_none(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one, commands, abilities = await camera(clock, nursery, UNSIGNED, {})
    with pytest.raises(DeviceRefused, match="404"):
        await commands.call(one.did, SET_FACE, SET_FACE.example)
    assert one.link.uris == [OF_3, OF_2, OF_1]
    assert abilities.of(one.did) == UNSIGNED


async def test_silence_does_not_lead_to_the_next_edition(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery, lambda uri, param: DeviceSilent("silent"))
    commands = commands_of(one.site, abilities := KnownAbilities(**{f"d{one.did}": UNSIGNED}))
    with pytest.raises(DeviceSilent):
        await commands.call(one.did, SET_FACE, SET_FACE.example)
    assert one.link.uris == [OF_3]
    assert abilities.of(one.did) == UNSIGNED


async def test_the_setting_is_remembered_as_it_was_meant(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one, commands, _ = await camera(clock, nursery, UNSIGNED, {OF_3: 0})
    await commands.call(one.did, SET_FACE, SET_FACE.example)
    sent: Any = one.link.asked[0].param
    assert sent["server_push"]["pic_type"] == 5
    known = commands.settings(one.did).face
    assert known is not None
    assert known.taken == SET_FACE.example


@pytest.mark.parametrize(
    ("known", "shape"),
    [(UNKNOWN, 1), (UNSIGNED, 3), (Capabilities(face=3), 3), (Capabilities(recording=3), 3)],
)
async def test_recording_is_said_in_one_edition_and_learnt_by_success_only(
    clock: FrozenClock, nursery: trio.Nursery, known: Capabilities, shape: int
) -> None:
    one, commands, abilities = await camera(clock, nursery, known, {SET_RECORDING.uri: 0})
    await commands.call(one.did, SET_RECORDING, SET_RECORDING.example)
    (asked,) = one.link.asked
    assert ("record_params" in asked.param) == (shape == 3)
    assert abilities.of(one.did).recording == shape


async def test_a_refusal_of_recording_teaches_nothing(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one, commands, abilities = await camera(clock, nursery, UNSIGNED, {SET_RECORDING.uri: 420})
    with pytest.raises(DeviceRefused):
        await commands.call(one.did, SET_RECORDING, SET_RECORDING.example)
    assert abilities.of(one.did) == UNSIGNED


@pytest.mark.parametrize(("code", "is_known"), [(0, True), (200, True), (420, True), (404, False)])
async def test_an_answer_to_a_later_command_tells_whether_its_group_is_known(
    clock: FrozenClock, nursery: trio.Nursery, code: int, is_known: bool
) -> None:
    uris = {
        edition_3.MOVE_STOP.uri: code,
        edition_3.PERSON_CLEAR.uri: code,
        edition_3.OTA_START.uri: code,
    }
    one, commands, abilities = await camera(clock, nursery, UNKNOWN, uris)
    for command in (edition_3.MOVE_STOP, edition_3.PERSON_CLEAR, edition_3.OTA_START):
        if code in command.ok_codes:
            await commands.call(one.did, command, command.example)
        else:
            with pytest.raises(DeviceRefused):
                await commands.call(one.did, command, command.example)
    known = abilities.of(one.did)
    assert known.groups == {"ptz": is_known, "people": is_known}
    assert known.firmware_steps == (2 if is_known else 1)
    assert known.people_update is None
    assert set(abilities.sources) == {"answer"}
