"""Commands over a device's real connection: turns, late answers, and its end."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import DeviceBusy, DeviceLeft, DeviceNonsense, DeviceOffline, DeviceSilent, HubError
from hub.services.commands.calls import Commands
from hub.wire.commands.dialect import PERSON_ADD
from tests.support.plug import Camera, Port, device_port


class Asker:
    """Asks the one device of a port, each time in a task of its own."""

    def __init__(self, port: Port, did: str) -> None:
        site = port.site
        self.commands = Commands(site.store, site.registry, site.devices, site.changes, site.clock)
        self.did = did
        self.got: dict[str, Any] = {}
        self._nursery = port.nursery

    async def add(self, name: str) -> None:
        """A command with a photo; `got` has how it ended, and when."""

        async def ask() -> None:
            outcome: Any = None
            try:
                await self.commands.person_add(self.did, PERSON_ADD.example)
            except HubError as error:
                outcome = type(error)
            self.got[name] = outcome, trio.current_time()

        self._nursery.start_soon(ask)
        await wait_all_tasks_blocked()


async def online(port: Port) -> tuple[Camera, Asker]:
    device = await port.site.enrol()
    camera = await port.camera()
    await camera.connect()
    return camera, Asker(port, device.did)


async def say_done(camera: Camera, frame: Any) -> None:
    await camera.say({"msgid": frame["msgid"], "data": {"uri": "/person/add", "code": 0}})
    await wait_all_tasks_blocked()


async def test_a_command_goes_out_with_the_token_and_its_answer_comes_back(
    autojump_clock: MockClock,
) -> None:
    async with device_port() as port:
        camera, asker = await online(port)

        async def reply() -> None:
            frame = await camera.hear()
            assert frame["token"] == camera.token
            assert frame["data"] == {"uri": "/person/query", "param": {"pid": "7"}}
            data = {"uri": "/x", "code": 0, "result": {"pid": 7, "name": "Li Wei"}}
            await camera.say({"msgid": frame["msgid"], "data": data})

        port.nursery.start_soon(reply)
        got = await asker.commands.send(asker.did, "/person/query", b'{"pid": "7"}')
        assert json.loads(bytes(got.result or b"")) == {"pid": 7, "name": "Li Wei"}


async def test_the_next_photo_goes_out_when_the_late_answer_to_the_last_is_there(
    autojump_clock: MockClock,
) -> None:
    async with device_port(heartbeat_interval=60) as port:
        camera, asker = await online(port)
        await asker.add("first")
        first = await camera.hear()
        await trio.sleep(20)
        await asker.add("second")
        await trio.sleep(15)
        assert asker.got == {"first": (DeviceSilent, 30)}
        await say_done(camera, first)
        await say_done(camera, await camera.hear())
        assert asker.got["second"] == (None, 35)


async def test_a_photo_that_is_never_answered_gives_its_turn_away_in_the_end(
    autojump_clock: MockClock,
) -> None:
    async with device_port(heartbeat_interval=60) as port:
        camera, asker = await online(port)
        await asker.add("first")
        await camera.hear()
        await asker.add("waits in vain")
        await trio.sleep(50)
        await asker.add("second")
        await say_done(camera, await camera.hear())
        assert asker.got == {
            "waits in vain": (DeviceBusy, 25),
            "first": (DeviceSilent, 30),
            "second": (None, 60),
        }


async def test_who_leaves_before_anything_is_sent_costs_no_connection(
    autojump_clock: MockClock,
) -> None:
    """A browser that goes on to another page asks for many pictures no more, all at once."""
    async with device_port() as port:
        camera, asker = await online(port)
        with trio.CancelScope() as left:
            left.cancel()
            await asker.commands.person_query(asker.did, "7")
        assert left.cancelled_caught
        await asker.add("next")
        await say_done(camera, await camera.hear())
        assert asker.got == {"next": (None, 0)}


async def test_the_end_of_the_connection_ends_what_is_out_and_what_waits(
    autojump_clock: MockClock,
) -> None:
    async with device_port() as port:
        camera, asker = await online(port)
        await asker.add("out")
        await asker.add("waits")
        await camera.socket.aclose()
        await wait_all_tasks_blocked()
        assert asker.got == {"out": (DeviceLeft, 0), "waits": (DeviceOffline, 0)}


async def test_what_waits_goes_out_on_a_connection_that_replaces_the_first(
    autojump_clock: MockClock,
) -> None:
    async with device_port() as port:
        _, asker = await online(port)
        await asker.add("out")
        await asker.add("waits")
        newer = await port.camera()
        await newer.connect()
        await say_done(newer, await newer.hear())
        assert asker.got == {"out": (DeviceLeft, 0), "waits": (None, 0)}


async def test_an_answer_that_is_owed_from_an_earlier_connection_answers_nothing_on_the_next(
    autojump_clock: MockClock,
) -> None:
    async with device_port() as port:
        camera, asker = await online(port)
        await asker.add("first")
        owed = await camera.hear()
        newer = await port.camera()
        await newer.connect()
        await asker.add("second")
        await say_done(newer, owed)
        assert asker.got == {"first": (DeviceLeft, 0)}
        await say_done(newer, await newer.hear())
        assert asker.got["second"] == (None, 0)


@pytest.mark.parametrize(
    "answer",
    [
        '{"msgid": "%s", "data": {"uri": "/person/add", "code": 0, "msg": "OK",}}',
        '{"msgid": "%s", "data": {"uri": "/person/add", "code": 0, "result": NaN}}',
        '{"msgid": "%s", "data": {"uri": "/person/add", "code": 0, "result": ' + "[" * 65,
        '{"msgid": "%s", "data": {"uri": "/person/add", "code": "none"}}',
        '{"msgid": "%s", "data": {"uri": 5, "code": 0}}',
        '\ufeff{"msgid" : "%s", "data": {"code": 0}}',
    ],
)
async def test_an_answer_that_cannot_be_read_ends_the_wait_for_it_at_once(
    autojump_clock: MockClock, answer: str
) -> None:
    async with device_port() as port:
        camera, asker = await online(port)
        await asker.add("asked")
        await asker.add("next")
        await camera.say(answer % (await camera.hear())["msgid"])
        assert (await camera.hear())["data"]["code"] == 420
        await wait_all_tasks_blocked()
        assert asker.got == {"asked": (DeviceNonsense, 0)}
        await say_done(camera, await camera.hear())
        assert asker.got["next"] == (None, 0)
