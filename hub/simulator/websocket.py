"""A simulated camera's WebSocket connection, which can also be misused: frames torn or in bits."""

from __future__ import annotations

import trio
from trio.abc import Stream
from trio_websocket import WebSocketConnection, wrap_client_stream

#: RFC 6455, 5.2: the first byte of a frame. FIN stands at its top, 1 is a text, 0 goes on.
_FIN = 0x80
_TEXT = 0x01
_GOES_ON = 0x00
#: A client's frames are masked; a mask of zeros leaves the bytes as they are.
_MASKED = 0x80
_NO_MASK = bytes(4)
_PIECE = 64


class Line:
    """What `open_line` gives. All of it raises ConnectionClosed once the connection has ended."""

    def __init__(self, socket: WebSocketConnection, stream: Shared) -> None:
        self._socket = socket
        self._stream = stream

    async def receive(self) -> str | bytes:
        return await self._socket.get_message()

    async def say(self, message: str | bytes) -> None:
        await self._socket.send_message(message)

    async def say_in_fragments(self, message: str) -> None:
        """One message in frames of a few bytes each."""
        data = message.encode()
        pieces = [data[at : at + _PIECE] for at in range(0, len(data) or 1, _PIECE)]
        last = len(pieces) - 1
        frames = (
            _head((_FIN if at == last else 0) | (_GOES_ON if at else _TEXT), len(piece)) + piece
            for at, piece in enumerate(pieces)
        )
        await self._stream.send_all(b"".join(frames))

    async def break_off(self, message: str) -> None:
        """Half of a message's frame, and the end."""
        data = message.encode()
        await self._stream.send_all(_head(_FIN | _TEXT, len(data)) + data[: len(data) // 2])
        await self.hang_up()

    async def hang_up(self) -> None:
        """End the connection without a word, as a power cut does."""
        await trio.aclose_forcefully(self._stream)


async def open_line(nursery: trio.Nursery, stream: Stream, host: str, *, most_bytes: int) -> Line:
    """The upgrade. Raises HandshakeError. Its tasks run in `nursery`."""
    shared = Shared(stream)
    socket = await wrap_client_stream(
        nursery,
        shared,  # type: ignore[arg-type]  # any Stream will do
        host,
        "/",
        max_message_size=most_bytes,
    )
    return Line(socket, shared)


class Shared(Stream):
    """A stream that several tasks may send on: one after another."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._sending = trio.Lock()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        async with self._sending:
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        async with self._sending:
            await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


def _head(first: int, length: int) -> bytes:
    """The head of a frame of a client's."""
    if length < 126:
        size = bytes([_MASKED | length])
    elif length < 1 << 16:
        size = bytes([_MASKED | 126]) + length.to_bytes(2, "big")
    else:
        size = bytes([_MASKED | 127]) + length.to_bytes(8, "big")
    return bytes([first]) + size + _NO_MASK
