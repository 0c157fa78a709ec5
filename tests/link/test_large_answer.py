"""The file in an answer is taken out of the message while it arrives."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked
from wsproto.events import TextMessage

from hub.errors import DeviceLeft, DeviceSilent, HubError
from hub.link import large_answer, websocket
from hub.live.registry import DeviceAnswer
from tests.support.plug import Camera, Port, device_port

KB = 1024
READ = "/storage/get_file_by_path"


class Sink:
    def __init__(self) -> None:
        self.parts: list[bytes] = []

    @property
    def text(self) -> str:
        return b"".join(self.parts).decode()

    async def write(self, text: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.parts.append(text)


class Reading:
    """A request for a file, and the camera that is asked for it."""

    def __init__(self, port: Port, camera: Camera, msgid: str, sink: Sink) -> None:
        self.port = port
        self.camera = camera
        self.msgid = msgid
        self.sink = sink
        self.scope = trio.CancelScope()
        self.outcome: DeviceAnswer | HubError | None = None

    async def send(self, text: str, *, finished: bool = False) -> None:
        await self.camera.socket._send(TextMessage(text, message_finished=finished))
        await wait_all_tasks_blocked()

    async def send_in_parts(self, text: str, size: int) -> None:
        for at in range(0, len(text), size):
            await self.send(text[at : at + size], finished=at + size >= len(text))

    def answer(self, file: str, **more: Any) -> str:
        data = {"uri": READ, "code": 0, "result": {"path": "a", "base64": file, **more}}
        return json.dumps({"msgid": self.msgid, "data": data})


async def reading(port: Port, *, seconds: float = 30) -> Reading:
    await port.site.enrol("SN")
    camera = await port.camera("SN")
    await camera.connect()
    sink = Sink()
    one = Reading(port, camera, "", sink)

    async def ask() -> None:
        with one.scope:
            try:
                one.outcome = await camera.link.request(READ, {}, seconds=seconds, sink=sink)
            except HubError as error:
                one.outcome = error

    port.nursery.start_soon(ask)
    one.msgid = (await camera.receive())["msgid"]
    return one


@pytest.mark.parametrize("size", [7, 1000, 10 * KB])
async def test_a_file_may_be_larger_than_a_message(autojump_clock: MockClock, size: int) -> None:
    file = "abcdefgh" * (64 * size // 7)
    async with device_port(max_frame_kb=16) as port:
        one = await reading(port)
        await one.send_in_parts(one.answer(file, size=3), size)
        assert one.sink.text == file
        assert isinstance(one.outcome, DeviceAnswer)
        assert json.loads(bytes(one.outcome.result or b"")) == {
            "path": "a",
            "base64": "",
            "size": 3,
        }
        assert (await one.camera.ask("/heartbeat"))["code"] == 200


async def test_other_messages_are_read_as_ever_while_a_file_is_waited_for(
    autojump_clock: MockClock,
) -> None:
    """Whether they are small, hold the file of another answer, or are too large."""
    async with device_port(max_frame_kb=16) as port:
        one = await reading(port)
        assert (await one.camera.ask("/heartbeat"))["code"] == 200
        await one.send(one.answer("AAAA").replace(one.msgid, "another"), finished=True)
        assert one.sink.parts == []
        await one.send("x" * 17 * KB)
        assert await one.camera.ended() == (1009, f"a message may have at most {16 * KB} bytes")
        assert isinstance(one.outcome, DeviceLeft)


async def test_a_file_before_the_msgid_stays_in_the_answer(autojump_clock: MockClock) -> None:
    async with device_port() as port:
        one = await reading(port)
        text = json.dumps({"data": {"code": 0, "result": {"base64": "AAAA"}}, "msgid": one.msgid})
        await one.send(text, finished=True)
        assert one.sink.parts == []
        assert isinstance(one.outcome, DeviceAnswer)
        assert json.loads(bytes(one.outcome.result or b"")) == {"base64": "AAAA"}


async def test_a_refusal_ends_the_wait(autojump_clock: MockClock) -> None:
    async with device_port() as port:
        one = await reading(port)
        refusal = {"msgid": one.msgid, "data": {"uri": READ, "code": 404, "msg": "no"}}
        await one.send(json.dumps(refusal), finished=True)
        assert one.outcome == DeviceAnswer(404, "no", None)


async def test_the_time_out_begins_anew_as_long_as_the_file_arrives(
    autojump_clock: MockClock,
) -> None:
    """So does the deadline of the connection, which no heartbeat reaches meanwhile."""
    async with device_port(heartbeat_interval=10) as port:
        one = await reading(port, seconds=10)
        text = one.answer("A" * 64)
        await one.send(text[: text.index("AAAA")])
        for _ in range(20):
            await one.send("AAAA")
            await trio.sleep(8)
        assert one.outcome is None
        await trio.sleep(11)
        assert isinstance(one.outcome, DeviceSilent)


async def test_nothing_is_kept_of_a_file_that_nobody_waits_for(autojump_clock: MockClock) -> None:
    async with device_port(max_frame_kb=16) as port:
        one = await reading(port)
        text = one.answer("A" * 100 * KB)
        await one.send(text[: 40 * KB])
        one.scope.cancel()
        await one.send_in_parts(text[40 * KB :], 10 * KB)
        assert one.sink.parts == []
        assert one.outcome is None
        assert (await one.camera.ask("/heartbeat"))["code"] == 200


async def test_a_file_without_an_end_ends_the_connection(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_answer, "MAX_FILE_BYTES", 50 * KB)
    monkeypatch.setattr(websocket, "MAX_FILE_BYTES", 50 * KB)
    async with device_port(max_frame_kb=16) as port:
        one = await reading(port)
        await one.send(one.answer("A" * 60 * KB)[: 55 * KB])
        code, reason = await one.camera.ended()
        assert (code, reason) == (1009, f"a file may have at most {50 * KB} bytes of Base64")
