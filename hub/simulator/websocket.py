"""A simulated camera's WebSocket connection, which can also send malformed traffic."""

from __future__ import annotations

import trio
from trio.abc import Stream
from trio_websocket import WebSocketConnection, wrap_client_stream

#: RFC 6455, 5.2: the first byte of a frame has FIN in its top bit and the opcode in its low bits.
_FIN = 0x80
_TEXT = 0x01
_CONTINUATION = 0x00
#: Clients must mask their frames; a mask of zeros leaves the payload unchanged.
_MASKED = 0x80
_ZERO_MASK = bytes(4)
_FRAGMENT_BYTES = 64


class CameraSocket:
    """An open connection. Several tasks may send at once.

    Every method raises trio_websocket.ConnectionClosed or a trio stream error once the connection
    has ended.
    """

    def __init__(self, socket: WebSocketConnection, stream: _LockedStream) -> None:
        self._socket = socket
        self._stream = stream

    async def receive(self) -> str | bytes:
        return await self._socket.get_message()

    async def send(self, message: str | bytes) -> None:
        await self._socket.send_message(message)

    async def send_fragmented(self, message: str) -> None:
        """Send one text message in frames of a few bytes each."""
        data = message.encode()
        pieces = [
            data[at : at + _FRAGMENT_BYTES] for at in range(0, len(data) or 1, _FRAGMENT_BYTES)
        ]
        last = len(pieces) - 1
        frames = (
            _frame_head((_FIN if at == last else 0) | (_CONTINUATION if at else _TEXT), len(piece))
            + piece
            for at, piece in enumerate(pieces)
        )
        await self._stream.send_all(b"".join(frames))

    async def send_truncated(self, message: str) -> None:
        """Send half of a text message's frame, then drop the connection."""
        data = message.encode()
        await self._stream.send_all(_frame_head(_FIN | _TEXT, len(data)) + data[: len(data) // 2])
        await self.disconnect()

    async def disconnect(self) -> None:
        """Drop the connection without a close frame, as a power cut does."""
        await trio.aclose_forcefully(self._stream)


async def open_camera_socket(
    nursery: trio.Nursery, stream: Stream, host: str, *, path: str = "/", max_message_bytes: int
) -> CameraSocket:
    """Do the WebSocket handshake on `stream`. Background tasks run in `nursery`.

    Raises trio_websocket.HandshakeError.
    """
    locked = _LockedStream(stream)
    socket = await wrap_client_stream(
        nursery,
        locked,  # type: ignore[arg-type]  # any Stream will do
        host,
        path,
        max_message_size=max_message_bytes,
    )
    return CameraSocket(socket, locked)


class _LockedStream(Stream):
    """A stream on which several tasks can send: their data is not interleaved."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._send_lock = trio.Lock()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        async with self._send_lock:
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        async with self._send_lock:
            await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


def _frame_head(first_byte: int, length: int) -> bytes:
    """Return the header of a client's frame (RFC 6455, 5.2)."""
    if length < 126:
        size = bytes([_MASKED | length])
    elif length < 1 << 16:
        size = bytes([_MASKED | 126]) + length.to_bytes(2, "big")
    else:
        size = bytes([_MASKED | 127]) + length.to_bytes(8, "big")
    return bytes([first_byte]) + size + _ZERO_MASK
