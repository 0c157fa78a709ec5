"""A simulated camera's WebSocket connection, including the malformed traffic that it can send."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import trio
import trio_websocket
from trio.testing import memory_stream_pair

from hub.simulator.websocket import CameraSocket, open_camera_socket


@dataclass
class Ends:
    """Both ends of one connection."""

    camera: CameraSocket
    hub: trio_websocket.WebSocketConnection


@pytest.fixture
async def ends(nursery: trio.Nursery) -> Ends:
    camera, hub = memory_stream_pair()
    accepted: list[trio_websocket.WebSocketConnection] = []

    async def accept() -> None:
        request = await trio_websocket.wrap_server_stream(nursery, hub)
        accepted.append(await request.accept())

    async with trio.open_nursery() as both:
        both.start_soon(accept)
        socket = await open_camera_socket(nursery, camera, "hub.test", max_message_bytes=1 << 20)
    return Ends(socket, accepted[0])


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 130, 70_000])
async def test_fragments_arrive_as_one_message(ends: Ends, size: int) -> None:
    await ends.camera.send_fragmented("ä" * size)
    assert await ends.hub.get_message() == "ä" * size
    # The next message arrives as usual.
    await ends.camera.send(b"binary")
    assert await ends.hub.get_message() == b"binary"


@pytest.mark.parametrize("size", [100, 1000, 100_000])
async def test_a_truncated_message_does_not_arrive(ends: Ends, size: int) -> None:
    await ends.camera.send_truncated("x" * size)
    with pytest.raises(trio_websocket.ConnectionClosed):
        await ends.hub.get_message()


async def test_several_tasks_can_send_at_once(ends: Ends) -> None:
    async with trio.open_nursery() as senders:
        for number in range(20):
            senders.start_soon(ends.camera.send_fragmented, f"{number}" * 500)
            senders.start_soon(ends.camera.send, f"{number}")
    received = {await ends.hub.get_message() for _ in range(40)}
    assert received == {f"{number}" * times for number in range(20) for times in (1, 500)}


async def test_disconnect_sends_no_close_frame(ends: Ends) -> None:
    await ends.camera.disconnect()
    with pytest.raises(trio_websocket.ConnectionClosed) as caught:
        await ends.hub.get_message()
    # RFC 6455, 7.1.5: the connection was closed without a close frame.
    assert caught.value.reason is not None
    assert caught.value.reason.code == 1006
