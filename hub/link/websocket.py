"""The WebSocket under a device link: trio-websocket's connection, read in the link's own task.

trio-websocket reads in a background task and hands messages over through a channel. Here each
message is handled where it is read: one task and one switch less for each of thousands of cameras,
and a device that sends faster than it is answered is simply not read. Two more things differ: the
limit of a message can be changed, and a message in a million fragments takes no more memory than
its bytes. No extension is ever accepted, so nothing inflates.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from msgspec import Struct
from trio_websocket import ConnectionClosed, WebSocketConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from hub.link.fast_frames import text_frame, whole_text
from hub.link.server_protocol import ServerProtocol
from hub.net.socket_stream import QuickStream

_RECEIVE_BYTES = 16 * 1024
#: A frame of up to so much goes out at once where nothing is in its way.
_AT_ONCE_BYTES = 16 * 1024

#: Codes of RFC 6455, 7.4.1.
NORMAL = 1000
GOING_AWAY = 1001
NO_STATUS = 1005
ABNORMAL = 1006
NO_TEXT = 1007
TOO_BIG = 1009
TRY_AGAIN_LATER = 1013

_MESSAGES = (TextMessage, BytesMessage)
_CAN_SAY_GOODBYE = (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING)
_LONGEST_REASON_BYTES = 120
#: A fragment of fewer bytes costs more work than bytes: a flood of them is slowed like messages.
_TINY_BYTES = 126

#: Takes a message, and may send; the next one is read when it returns.
Handler = Callable[[str | bytes], Awaitable[None]]
#: Waits where the peer is too quick; called for each message, tiny fragment, ping and pong.
Pace = Callable[[], Awaitable[None]]


class Ending(Struct, frozen=True):
    """How a connection ends: the WebSocket's close code and a few plain words.

    `limit` is the one that the peer has reached, where that ended it.
    """

    code: int
    reason: str
    limit: str = ""


class DeviceSocket(WebSocketConnection):
    """The server's side of one WebSocket over `stream`, which it owns.

    One task calls serve(), any may send_text(). A send that is cancelled leaves half a frame
    behind: after it, finish() closes without a farewell.
    """

    _wsproto: ServerProtocol

    def __init__(self, stream: trio.abc.Stream, *, limit: int) -> None:
        super().__init__(stream, ServerProtocol(), message_queue_size=0)
        self._quick = stream if isinstance(stream, QuickStream) else None
        #: Bytes of the largest message that is taken.
        self.limit = limit
        self._fragments = bytearray()
        self._torn = False

    @property
    def is_torn(self) -> bool:
        """Whether half a frame is out for good: nothing can be sent behind it."""
        return self._torn and not self._stream_lock.locked()

    async def serve(self, handle: Handler, pace: Pace) -> Ending:
        """Do the upgrade, then handle messages until the peer ends it or breaks a rule."""
        try:
            while True:
                for event in self._wsproto.events():
                    ending = await self._take(event, handle, pace)
                    if ending is not None:
                        return ending
                data = bytes(await self._stream.receive_some(_RECEIVE_BYTES))
                if not data:
                    return Ending(ABNORMAL, "the peer ended the connection")
                text = whole_text(data) if self._wsproto.is_between_frames() else None
                if text is None:
                    self._wsproto.receive_data(data)
                else:
                    await self._take_data(text, handle, pace, finished=True)
        except RemoteProtocolError as error:
            return await self._refuse(error)
        except _TooBig:
            return Ending(TOO_BIG, f"a message has at most {self.limit} bytes", limit="frame")
        except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            return Ending(ABNORMAL, "the connection broke")

    async def send_text(self, text: str) -> None:
        """Send a message. Raises ConnectionClosed."""
        rest = self.begin_text(text)
        if rest is not None:
            await self.send_rest(rest)

    def begin_text(self, text: str) -> bytes | None:
        """Send a message as far as it goes without waiting: None, or what is for send_rest().

        Raises ConnectionClosed.
        """
        if self._wsproto.state is not ConnectionState.OPEN:
            raise ConnectionClosed(None)
        frame = text_frame(text)
        if self._quick is None or self._stream_lock.locked() or len(frame) > _AT_ONCE_BYTES:
            return frame
        if self._torn:
            raise ConnectionClosed(None)
        try:
            return None if self._quick.send_nowait(frame) else b""
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise ConnectionClosed(None) from None

    async def finish(self, ending: Ending) -> None:
        """Say goodbye, wait for the peer's own, and close. The caller sets the deadline."""
        try:
            if not self._torn and self._wsproto.state in _CAN_SAY_GOODBYE:
                reason = ending.reason.encode()[:_LONGEST_REASON_BYTES].decode(errors="ignore")
                await self._send(CloseConnection(code=ending.code, reason=reason))
                await self._wait_for_farewell()
                await self._stream.aclose()
        except (ConnectionClosed, trio.BrokenResourceError):
            pass
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _wait_for_farewell(self) -> None:
        """Read on: to close with something unread would reset the connection, farewell and all."""
        while self._wsproto.state is ConnectionState.LOCAL_CLOSING:
            data = await self._stream.receive_some(_RECEIVE_BYTES)
            if not data:
                return
            self._wsproto.receive_data(bytes(data))
            for _ in self._wsproto.events():
                pass

    async def _take(self, event: Event, handle: Handler, pace: Pace) -> Ending | None:
        """Handle one event; returns how the connection ends if it does."""
        if isinstance(event, _MESSAGES):
            data = event.data if isinstance(event.data, str) else bytes(event.data)
            await self._take_data(data, handle, pace, finished=event.message_finished)
        elif isinstance(event, Ping):
            await pace()
            await self._send(event.response())
        elif isinstance(event, Pong):
            await pace()
        elif isinstance(event, CloseConnection):
            # The peer's farewell, or wsproto's word for a frame that breaks WebSocket.
            code = NORMAL if event.code == NO_STATUS else event.code
            if code == NO_TEXT:
                return Ending(code, "a text message has to be UTF-8")
            return Ending(code, event.reason or "the peer closed the connection")
        elif isinstance(event, Request):
            await self._accept(event, None, [])
        return None

    async def _take_data(
        self, data: str | bytes, handle: Handler, pace: Pace, *, finished: bool
    ) -> None:
        message = self._collect(data, finished=finished)
        if message is not None or len(data) < _TINY_BYTES:
            await pace()
        if message is not None:
            await handle(message)

    def _collect(self, data: str | bytes, *, finished: bool) -> str | bytes | None:
        """The message once it is whole. Raises _TooBig."""
        whole_at_once = finished and not self._fragments
        if not whole_at_once:
            self._fragments += data.encode() if isinstance(data, str) else data
        if (_size(data) if whole_at_once else len(self._fragments)) > self.limit:
            raise _TooBig
        if whole_at_once:
            return data
        if not finished:
            return None
        message, self._fragments = bytes(self._fragments), bytearray()
        return message

    async def _refuse(self, error: RemoteProtocolError) -> Ending:
        """What came was no upgrade."""
        if error.event_hint is not None:
            await self._send(error.event_hint)
        return Ending(ABNORMAL, str(error))

    async def _send(self, event: Event) -> None:
        try:
            data = self._wsproto.send(event)
        except LocalProtocolError:
            raise ConnectionClosed(None) from None
        await self.send_rest(data)

    async def send_rest(self, data: bytes) -> None:
        """Send all of `data`, and before it what the stream has kept. Raises ConnectionClosed."""
        await self._acquire_stream()
        try:
            if self._torn:
                raise ConnectionClosed(None)
            # Whoever has left already leaves nothing half.
            await trio.lowlevel.checkpoint_if_cancelled()
            self._torn = True
            await self._stream.send_all(data)
            self._torn = False
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise ConnectionClosed(None) from None
        finally:
            self._stream_lock.release()

    async def _acquire_stream(self) -> None:
        try:
            # Nearly always free, and then without the turn through the scheduler.
            self._stream_lock.acquire_nowait()
        except trio.WouldBlock:
            await self._stream_lock.acquire()


class _TooBig(Exception):
    """A message is beyond the limit."""


def _size(data: str | bytes) -> int:
    """In bytes of UTF-8."""
    if isinstance(data, bytes) or data.isascii():
        return len(data)
    return len(data.encode())
