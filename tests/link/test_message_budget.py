"""Unfinished long messages: one budget for all devices, and a least pace."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import wait_all_tasks_blocked
from wsproto.events import BytesMessage

from hub.link.connection import STRANGERS
from hub.link.message_budget import FREE_BYTES, PACE_BYTES, PACE_SECONDS
from hub.net.byte_budget import SENDER_DIVISOR
from tests.link.test_hardening import limits_reached
from tests.support.gate import ADDRESS
from tests.support.plug import Camera, Port, device_port

pytestmark = pytest.mark.jumping_clock

KB = 1024
MB = 1024 * KB


async def connected(port: Port, sn: str) -> Camera:
    await port.site.enrol(sn)
    camera = await port.camera(sn)
    assert (await camera.connect())["code"] == 200
    return camera


async def send_part(camera: Camera, data: int | bytes, *, finished: bool = False) -> None:
    """Send one more fragment of a message, of so many bytes."""
    part = b" " * data if isinstance(data, int) else data
    await camera.socket._send(BytesMessage(part, message_finished=finished))
    await wait_all_tasks_blocked()


def last_reason(port: Port, camera: Camera) -> str:
    """Why the connection ended, as the trace of the camera shows it."""
    kept = port.traces.entries(camera.sn, ADDRESS)[-1].kept
    return str(getattr(kept, "reason", kept))


async def test_unfinished_messages_of_all_devices_fit_in_one_budget() -> None:
    async with device_port(message_budget_mb=1, max_frame_kb=400) as port:
        cameras = [await connected(port, f"SN{number}") for number in range(8)]
        for camera in cameras:
            await send_part(camera, 300 * KB)
            assert port.messages.used <= MB
        assert [link.did for link in port.links if link._socket._fragments] == [
            camera.link.did for camera in cameras[-3:]
        ]


async def test_who_holds_most_makes_room_and_is_told_why(caplog: pytest.LogCaptureFixture) -> None:
    before = limits_reached("message_budget")
    async with device_port(message_budget_mb=1, max_frame_kb=1000) as port:
        greedy, other = [await connected(port, sn) for sn in ("GREEDY", "OTHER")]
        await send_part(greedy, 900 * KB)
        await send_part(other, 200 * KB)
        assert await greedy.ended() == (1013, "its long message made room for other devices")
        assert last_reason(port, greedy) == "its long message made room for other devices"
        assert "was disconnected: its long message made room" in caplog.text
        assert limits_reached("message_budget") == before + 1
        end = json.dumps({"msgid": "7", "data": {"uri": "/no/such", "param": {}}}).encode()
        await send_part(other, end, finished=True)
        assert (await other.receive())["data"]["code"] == 401


async def test_a_message_that_would_be_the_largest_is_refused_when_all_is_taken() -> None:
    async with device_port(message_budget_mb=1, max_frame_kb=1000) as port:
        first, second = [await connected(port, sn) for sn in ("FIRST", "SECOND")]
        await send_part(first, 500 * KB)
        await send_part(second, 500 * KB)
        await send_part(first, 200 * KB)
        assert await first.ended() == (1013, "there is no room for its long message")
        assert port.messages.used == 500 * KB


async def test_short_messages_need_no_room() -> None:
    async with device_port(message_budget_mb=1, max_frame_kb=1024) as port:
        greedy, neighbour = [await connected(port, sn) for sn in ("GREEDY", "NEIGHBOUR")]
        await send_part(greedy, 1024 * KB)
        await send_part(neighbour, FREE_BYTES)
        assert port.messages.used == MB
        assert greedy.socket.closed is None
        await send_part(neighbour, b"{}", finished=True)
        assert (await neighbour.receive())["data"]["code"] == 420
        assert (await neighbour.ask("/heartbeat"))["code"] == 200


async def test_room_is_free_again_when_a_message_is_handled_or_its_sender_leaves() -> None:
    async with device_port() as port:
        camera = await connected(port, "SN")
        for _ in range(3):
            await send_part(camera, 200 * KB)
            assert port.messages.used == 200 * KB
            await send_part(camera, b"{}", finished=True)
            await camera.receive()
            assert port.messages.used == 0
        await send_part(camera, 200 * KB)
        await camera.socket._stream.aclose()
        await wait_all_tasks_blocked()
        assert port.messages.used == 0
        assert port.deadlines._watched == set()


async def test_a_long_message_that_stops_arriving_is_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with device_port(heartbeat_interval=3600) as port:
        camera = await connected(port, "SN")
        started = trio.current_time()
        await send_part(camera, 8000 * KB)
        code, reason = await camera.ended()
        assert trio.current_time() - started == pytest.approx(PACE_SECONDS, abs=0.5)
        assert (code, reason) == (1008, "less than 20480 bytes of its message came within 20 s")
        assert last_reason(port, camera) == reason
        assert f"was disconnected: {reason}" in caplog.text
        assert port.messages.used == 0


async def test_a_slow_message_arrives_as_long_as_it_keeps_the_pace() -> None:
    async with device_port(heartbeat_interval=3600) as port:
        camera = await connected(port, "SN")
        part = b" " * (PACE_BYTES // 15)
        for _ in range(150):
            await send_part(camera, part)
            await trio.sleep(1)
        await send_part(camera, b"{}", finished=True)
        assert (await camera.receive())["data"]["code"] == 420


async def test_a_recording_list_over_gprs_is_taken() -> None:
    """100 rows of 1.8 in 37 KB, at 2.5 KB/s and with a pause of 10 s."""
    rows = [
        {"path": f"/record/2021-10-03/{number:06}.mp4" + "x" * 300, "beginTime": "2021-10-03"}
        for number in range(100)
    ]
    async with device_port() as port:
        camera = await connected(port, "SN")
        answer: list[object] = []

        async def ask() -> None:
            result = await camera.link.request("/storage/get_record_list", {}, seconds=60)
            answer.append(result.result)

        port.nursery.start_soon(ask)
        msgid = (await camera.receive())["msgid"]
        sent = json.dumps({"msgid": msgid, "data": {"code": 0, "result": {"list": rows}}}).encode()
        assert len(sent) > 2 * FREE_BYTES
        for at in range(0, len(sent), 2500):
            await send_part(camera, sent[at : at + 2500])
            await trio.sleep(10 if at == 17_500 else 1)
        await send_part(camera, b"", finished=True)
        assert len(answer) == 1


async def test_first_frames_of_many_addresses_leave_room_for_a_camera() -> None:
    async with device_port(message_budget_mb=1, max_first_frame_kb=64) as port:
        camera = await connected(port, "SN")
        for number in range(20):
            stranger = await port.camera("STRANGER", f"10.1.{number}.1")
            await send_part(stranger, 60 * KB)
        assert port.messages.used <= MB // SENDER_DIVISOR
        await send_part(camera, 700 * KB)
        assert camera.socket.closed is None
        assert port.messages.used >= 700 * KB


async def test_a_device_that_is_named_as_strangers_are_is_another_sender() -> None:
    async with device_port(message_budget_mb=1, max_first_frame_kb=1000) as port:
        stranger, named = [await port.camera(sn, f"10.1.0.{sn}") for sn in ("1", "2")]
        named.link.did = STRANGERS
        for camera in (stranger, named):
            await send_part(camera, 200 * KB)
        assert port.messages.used == 400 * KB
