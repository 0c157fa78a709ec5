"""What devices answered to the settings of 1.5 and 1.6 is remembered, and so is the uri."""

from __future__ import annotations

import json

import pytest
import trio
from msgspec.structs import replace

from hub.errors import DeviceRefused
from hub.store.tables.devices import DeviceChange
from hub.wire.commands.answers import Done
from hub.wire.commands.dialect import SET_FACE, SET_RECORDING
from tests.support.clock import FrozenClock
from tests.support.commanded_device import commanded_device, commands_of
from tests.support.commanded_link import answer

FIRST, SECOND = SET_FACE.uris
THIRD = "/ivp/face_param_set"
FACE = SET_FACE.example
RECORDING = SET_RECORDING.example
TAKEN = answer(200)
NO_SUCH_URI = answer(404, "no such uri")


async def test_a_setting_that_a_device_took_is_remembered(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    replies = [TAKEN, answer(420, "mini_face")]
    one = await commanded_device(clock, nursery, lambda uri, param: replies.pop(0))
    assert one.commands.settings(one.did).face is None
    await one.commands.call(one.did, SET_FACE, FACE)
    taken_at = clock.ms
    clock.advance(60)
    with pytest.raises(DeviceRefused):
        await one.commands.call(one.did, SET_FACE, replace(FACE, mini_face=500))
    known = one.commands.settings(one.did).face
    assert known is not None
    assert (known.taken, known.taken_at) == (FACE, taken_at)
    assert (known.is_taken, known.code, known.msg) == (False, 420, "mini_face")
    assert known.answered_at == clock.ms
    assert one.commands.settings(one.did).recording is None


async def test_a_setting_that_an_integrator_sent_is_remembered_too(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    """1.6 writes booleans as 1 and 0."""
    one = await commanded_device(clock, nursery, lambda uri, param: TAKEN)
    await one.commands.call(one.did, SET_RECORDING, RECORDING)
    sent = json.dumps(one.link.asked[0].param).encode()
    assert one.link.asked[0].param["audio_enable"] == 1
    await one.commands.send(one.did, "storage/record_set", sent)
    known = one.commands.settings(one.did).recording
    assert known is not None
    assert (known.taken, known.is_taken) == (RECORDING, True)


async def test_the_uri_that_a_device_knows_is_found_and_remembered(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    """D4: the table and the answer of 1.5 name another uri than its example."""
    one = await commanded_device(
        clock, nursery, lambda uri, param: TAKEN if uri == SECOND else NO_SUCH_URI
    )
    await one.commands.call(one.did, SET_FACE, FACE)
    assert one.link.uris == [FIRST, SECOND]
    # After a restart of the hub, under either uri.
    await commands_of(one.site).send(one.did, FIRST, json.dumps(one.link.asked[0].param).encode())
    assert one.link.uris == [FIRST, SECOND, SECOND]


async def test_the_uri_is_remembered_even_if_the_device_refuses_the_setting(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    refusal = answer(420, "mini_face")
    one = await commanded_device(
        clock, nursery, lambda uri, param: refusal if uri == SECOND else NO_SUCH_URI
    )
    for _ in range(2):
        with pytest.raises(DeviceRefused):
            await one.commands.call(one.did, SET_FACE, FACE)
    assert one.link.uris == [FIRST, SECOND, SECOND]


async def test_the_first_uri_is_found_again_after_an_upgrade(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery)
    for known in (SECOND, FIRST):
        one.link.reply = lambda uri, param, known=known: TAKEN if uri == known else NO_SUCH_URI
        await one.commands.call(one.did, SET_FACE, FACE)
        await one.commands.call(one.did, SET_FACE, FACE)
    # D12: after the uri that it knew, the later edition is tried before the earlier one.
    assert one.link.uris == [FIRST, SECOND, SECOND, SECOND, THIRD, FIRST, FIRST]


async def test_a_device_that_knows_none_of_the_uris_refuses(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery, lambda uri, param: NO_SUCH_URI)
    for _ in range(2):
        with pytest.raises(DeviceRefused, match="404 no such uri"):
            await one.commands.call(one.did, SET_FACE, FACE)
    assert one.link.uris == [FIRST, SECOND, THIRD] * 2
    known = one.commands.settings(one.did).face
    assert known is not None
    assert (known.taken, known.code) == (None, 404)


async def test_an_answer_of_a_replaced_camera_is_not_remembered(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery)
    await one.ask("set", one.commands.call, SET_FACE, FACE)
    await one.site.devices.change(one.did, DeviceChange(sn="NEW-SN"))
    await one.give(one.link.asked[0], TAKEN)
    assert one.got == {"set": Done()}
    assert one.commands.settings(one.did).face is None


async def test_a_setting_succeeds_even_if_the_store_refuses_to_remember_it(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery, lambda uri, param: TAKEN)
    one.site.store.refuses = True
    await one.commands.call(one.did, SET_FACE, FACE)
    assert one.commands.settings(one.did).face is None
