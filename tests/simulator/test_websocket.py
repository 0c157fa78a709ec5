"""A camera's WebSocket connection, used well and misused."""

from __future__ import annotations

import pytest
import trio
import trio_websocket
from trio.testing import memory_stream_pair

from hub.simulator.websocket import Line, open_line


class Ends:
    """A line, and the other end of it."""

    def __init__(self, line: Line, hub: trio_websocket.WebSocketConnection) -> None:
        self.line = line
        self.hub = hub


@pytest.fixture
async def ends(nursery: trio.Nursery) -> Ends:
    camera, hub = memory_stream_pair()
    served: list[trio_websocket.WebSocketConnection] = []

    async def serve() -> None:
        request = await trio_websocket.wrap_server_stream(nursery, hub)
        served.append(await request.accept())

    async with trio.open_nursery() as both:
        both.start_soon(serve)
        line = await open_line(nursery, camera, "hub.test", most_bytes=1 << 20)
    return Ends(line, served[0])


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 130, 70_000])
async def test_fragments_arrive_as_one_message(ends: Ends, size: int) -> None:
    await ends.line.say_in_fragments("ä" * size)
    assert await ends.hub.get_message() == "ä" * size
    # What comes after it is read as ever.
    await ends.line.say(b"binary")
    assert await ends.hub.get_message() == b"binary"


@pytest.mark.parametrize("size", [100, 1000, 100_000])
async def test_a_message_that_is_broken_off_does_not_arrive(ends: Ends, size: int) -> None:
    await ends.line.break_off("x" * size)
    with pytest.raises(trio_websocket.ConnectionClosed):
        await ends.hub.get_message()


async def test_several_tasks_may_send_at_once(ends: Ends) -> None:
    async with trio.open_nursery() as senders:
        for number in range(20):
            senders.start_soon(ends.line.say_in_fragments, f"{number}" * 500)
            senders.start_soon(ends.line.say, f"{number}")
    got = {await ends.hub.get_message() for _ in range(40)}
    assert got == {f"{number}" * times for number in range(20) for times in (1, 500)}


async def test_it_hangs_up_without_a_word(ends: Ends) -> None:
    await ends.line.hang_up()
    with pytest.raises(trio_websocket.ConnectionClosed) as caught:
        await ends.hub.get_message()
    assert caught.value.reason.code == 1006
