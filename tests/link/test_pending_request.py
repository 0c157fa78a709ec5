"""Commands over a device's connection: the queue, late answers, and the end of the connection."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hub.errors import DeviceBusy, DeviceLeft, DeviceNonsense, DeviceOffline, DeviceSilent, HubError
from hub.services.commands.calls import Commands
from hub.wire.commands.dialect import PERSON_ADD
from tests.support.plug import Camera, Port, device_port

pytestmark = pytest.mark.jumping_clock


class Commander:
    """Sends commands to the device of a port, each in a task of its own."""

    def __init__(self, port: Port, did: str) -> None:
        site = port.site
        self.commands = Commands(site.core, site.registry, site.devices, site.capabilities)
        self.did = did
        self.got: dict[str, Any] = {}
        self._nursery = port.nursery

    async def add(self, name: str) -> None:
        """Send a command with a photo; `got` tells how and when it ended."""

        async def ask() -> None:
            outcome: Any = None
            try:
                await self.commands.person_add(self.did, PERSON_ADD.example)
            except HubError as error:
                outcome = type(error)
            self.got[name] = outcome, trio.current_time()

        self._nursery.start_soon(ask)
        await wait_all_tasks_blocked()


async def online(port: Port) -> tuple[Camera, Commander]:
    device = await port.site.enrol()
    camera = await port.camera()
    await camera.connect()
    return camera, Commander(port, device.did)


async def say_done(camera: Camera, frame: Any) -> None:
    await camera.send({"msgid": frame["msgid"], "data": {"uri": "/person/add", "code": 0}})
    await wait_all_tasks_blocked()


async def test_a_command_is_sent_with_the_token_and_returns_the_answer() -> None:
    async with device_port() as port:
        camera, commander = await online(port)

        async def reply() -> None:
            frame = await camera.receive()
            assert frame["token"] == camera.token
            assert frame["data"] == {"uri": "/person/query", "param": {"pid": "7"}}
            data = {"uri": "/x", "code": 0, "result": {"pid": 7, "name": "Li Wei"}}
            await camera.send({"msgid": frame["msgid"], "data": data})

        port.nursery.start_soon(reply)
        got = await commander.commands.send(commander.did, "/person/query", b'{"pid": "7"}')
        assert json.loads(bytes(got.result or b"")) == {"pid": 7, "name": "Li Wei"}


async def test_the_next_photo_is_sent_when_the_late_answer_to_the_last_arrives() -> None:
    async with device_port(heartbeat_interval=60) as port:
        camera, commander = await online(port)
        await commander.add("first")
        first = await camera.receive()
        await trio.sleep(20)
        await commander.add("second")
        await trio.sleep(15)
        assert commander.got == {"first": (DeviceSilent, 30)}
        await say_done(camera, first)
        await say_done(camera, await camera.receive())
        assert commander.got["second"] == (None, 35)


async def test_a_photo_that_is_never_answered_makes_way_for_the_next() -> None:
    async with device_port(heartbeat_interval=60) as port:
        camera, commander = await online(port)
        await commander.add("first")
        await camera.receive()
        await commander.add("waits in vain")
        await trio.sleep(50)
        await commander.add("second")
        await say_done(camera, await camera.receive())
        assert commander.got == {
            "waits in vain": (DeviceBusy, 25),
            "first": (DeviceSilent, 30),
            "second": (None, 60),
        }


async def test_a_cancellation_before_anything_is_sent_keeps_the_connection() -> None:
    """A browser that leaves a page cancels many requests for pictures at once."""
    async with device_port() as port:
        camera, commander = await online(port)
        with trio.CancelScope() as left:
            left.cancel()
            await commander.commands.person_query(commander.did, "7")
        assert left.cancelled_caught
        await commander.add("next")
        await say_done(camera, await camera.receive())
        assert commander.got == {"next": (None, 0)}


async def test_the_end_of_the_connection_ends_sent_and_queued_commands() -> None:
    async with device_port() as port:
        camera, commander = await online(port)
        await commander.add("out")
        await commander.add("waits")
        await camera.socket.aclose()
        await wait_all_tasks_blocked()
        assert commander.got == {"out": (DeviceLeft, 0), "waits": (DeviceOffline, 0)}


async def test_queued_commands_are_sent_on_the_connection_that_replaces_the_first() -> None:
    async with device_port() as port:
        _, commander = await online(port)
        await commander.add("out")
        await commander.add("waits")
        newer = await port.camera()
        await newer.connect()
        await say_done(newer, await newer.receive())
        assert commander.got == {"out": (DeviceLeft, 0), "waits": (None, 0)}


async def test_a_late_answer_on_a_newer_connection_is_ignored() -> None:
    async with device_port() as port:
        camera, commander = await online(port)
        await commander.add("first")
        owed = await camera.receive()
        newer = await port.camera()
        await newer.connect()
        await commander.add("second")
        await say_done(newer, owed)
        assert commander.got == {"first": (DeviceLeft, 0)}
        await say_done(newer, await newer.receive())
        assert commander.got["second"] == (None, 0)


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
async def test_an_unreadable_answer_ends_its_request_at_once(answer: str) -> None:
    async with device_port() as port:
        camera, commander = await online(port)
        await commander.add("asked")
        await commander.add("next")
        await camera.send(answer % (await camera.receive())["msgid"])
        assert (await camera.receive())["data"]["code"] == 420
        await wait_all_tasks_blocked()
        assert commander.got == {"asked": (DeviceNonsense, 0)}
        await say_done(camera, await camera.receive())
        assert commander.got["next"] == (None, 0)
