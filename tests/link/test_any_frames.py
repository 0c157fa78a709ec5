"""Whatever a device sends: the same messages are seen in pieces of any size, and nothing raises."""

from __future__ import annotations

from random import Random

import trio

from hub.link.ending import Ending
from hub.link.message_budget import MessageBudget, MessageReservation
from hub.link.websocket import DeviceSocket
from hub.net.deadlines import Deadlines
from tests.fuzz import frames

_UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Peer(trio.abc.Stream):
    """A peer that sends these pieces, then nothing more, and reads all."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [*pieces, b""]

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        return self._pieces.pop(0) if len(self._pieces) > 1 else b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def room() -> MessageReservation:
    return MessageReservation(
        MessageBudget(1 << 20), Deadlines(), sender=str, give_up=lambda _: None
    )


async def seen(data: bytes, size: int) -> tuple[list[bytes], Ending]:
    """The messages that arrive in pieces of `size`, and how the connection ends."""
    messages: list[bytes] = []

    async def handle(message: str | bytes) -> None:
        # A text that came in several pieces is handed on as bytes.
        messages.append(message.encode() if isinstance(message, str) else message)

    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    socket = DeviceSocket(Peer([_UPGRADE, *pieces]), room(), limit=64 * 1024)
    ending = await socket.serve(handle, trio.lowlevel.checkpoint)
    await socket.finish(ending)
    return messages, ending


async def test_any_frames_are_seen_alike_in_pieces_of_any_size() -> None:
    rng = Random(1)
    for _ in range(80):
        cases = [frames.make(rng) for _ in range(3)]
        data = b"".join(frame.encode({}) for case in cases for frame in case.frames)
        whole = await seen(data, 16 * 1024)
        for size in (1, 7, 300) if len(data) < 3000 else (300,):
            assert await seen(data, size) == whole


async def test_any_bytes_instead_of_an_upgrade_end_the_connection() -> None:
    rng = Random(2)
    for _ in range(100):
        stream = Peer([rng.randbytes(50)])
        ending = await DeviceSocket(stream, room(), limit=1024).serve(
            _ignore, trio.lowlevel.checkpoint
        )
        assert ending.reason


async def _ignore(_message: str | bytes) -> None:
    raise AssertionError("a message without an upgrade")
