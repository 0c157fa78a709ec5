"""The WebSocket of a device link: trio-websocket's connection, read in the link's own task.

trio-websocket reads in a background task and passes messages on through a channel. Here a message
is handled in the task that reads it, which saves a task and a switch for each of thousands of
cameras, and gives back-pressure: a device is read no faster than it is answered. Also, the size
limit can be changed while connected, and a message in many fragments takes no more memory than its
bytes, which count in a budget of all devices. No extension is accepted, so no message is ever
inflated.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from hub.link.ending import (
    ABNORMAL,
    NO_STATUS,
    NO_TEXT,
    NORMAL,
    POLICY_VIOLATION,
    TOO_BIG,
    Ending,
)
from hub.link.fast_frames import text_frame, whole_text
from hub.link.fast_upgrade import Upgrade, read_upgrade
from hub.link.large_answer import MAX_FILE_BYTES, LargeAnswer
from hub.link.message_budget import MessageReservation
from hub.link.server_protocol import ServerProtocol
from hub.net.socket_stream import SendNowaitStream

_RECEIVE_BYTES = 16 * 1024
#: A frame up to this size is sent without waiting if nothing else is being sent.
_IMMEDIATE_BYTES = 16 * 1024

_MESSAGES = (TextMessage, BytesMessage)
_CAN_CLOSE = (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING)
_MAX_REASON_BYTES = 120
#: A smaller fragment costs more work than its bytes, so the rate limit counts it as a message.
_TINY_BYTES = 126

#: Handles a message, and may send. The next message is read when it returns.
Handler = Callable[[str | bytes], Awaitable[None]]
#: Waits if the peer is too fast; called for each message, tiny fragment, ping and pong.
LimitRate = Callable[[], Awaitable[None]]
#: Returns the host names of the hub, of which some may begin with "*.".
OwnNames = Callable[[], frozenset[str]]


class DeviceSocket(WebSocketConnection):
    """The server side of one WebSocket over `stream`, which it owns.

    One task calls serve(); any task may send. A send that is cancelled in the middle of a frame
    makes the connection unusable (`is_torn`): finish() then closes it without a close frame.
    """

    _wsproto: ServerProtocol

    def __init__(
        self,
        stream: trio.abc.Stream,
        room: MessageReservation,
        *,
        limit: int,
        any_origin: bool = False,
        own_names: OwnNames = frozenset,
    ) -> None:
        super().__init__(stream, ServerProtocol(), message_queue_size=0)
        self._nowait_stream = stream if isinstance(stream, SendNowaitStream) else None
        self._room = room
        self._any_origin = any_origin
        self._own_names = own_names
        #: Bytes of the largest message that is accepted.
        self.limit = limit
        #: The answer that is waited for whose file may be larger.
        self.large_answer: LargeAnswer | None = None
        #: The Host header of the upgrade; "" before it.
        self.host = ""
        self._fragments = bytearray()
        self._torn = False

    @property
    def is_torn(self) -> bool:
        """Whether sending stopped in the middle of a frame, so that nothing more can be sent."""
        return self._torn and not self._stream_lock.locked()

    async def serve(self, handle: Handler, limit_rate: LimitRate) -> Ending:
        """Answer the upgrade, then handle messages until the peer closes or breaks a rule.

        Raises only what `handle` raises.
        """
        try:
            while data := bytes(await self._stream.receive_some(_RECEIVE_BYTES)):
                text = whole_text(data) if self._wsproto.is_between_frames() else None
                if text is not None:
                    await self._handle_data(text, handle, limit_rate, finished=True)
                    continue
                if self._wsproto.is_new and (upgrade := read_upgrade(data)) is not None:
                    await self._open(upgrade)
                    continue
                self._wsproto.receive_data(data)
                for event in self._wsproto.events():
                    ending = await self._handle_event(event, handle, limit_rate)
                    if ending is not None:
                        return ending
            return Ending(ABNORMAL, "the peer ended the connection")
        except RemoteProtocolError as error:
            return await self._refuse(error)
        except _MessageRefused as refusal:
            return refusal.ending
        except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            return Ending(ABNORMAL, "the connection broke")
        finally:
            self._fragments.clear()
            self._room.give_back()

    async def send_text(self, text: str) -> None:
        """Send a message. Raises ConnectionClosed. A cancellation may leave half a frame."""
        rest = self.begin_text(text)
        if rest is not None:
            await self.send_rest(rest)

    def begin_text(self, text: str) -> bytes | None:
        """Send as much of a message as possible without waiting.

        Returns None if all of it was sent; otherwise the bytes to pass to send_rest(): empty if the
        stream itself keeps the rest. Raises ConnectionClosed.
        """
        if self._wsproto.state is not ConnectionState.OPEN:
            raise ConnectionClosed(None)
        frame = text_frame(text)
        if (
            self._nowait_stream is None
            or self._stream_lock.locked()
            or len(frame) > _IMMEDIATE_BYTES
        ):
            return frame
        if self._torn:
            raise ConnectionClosed(None)
        try:
            return None if self._nowait_stream.send_nowait(frame) else b""
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise ConnectionClosed(None) from None

    async def finish(self, ending: Ending) -> None:
        """Do the close handshake, then close the stream. The caller sets the deadline.

        Raises no errors caused by the peer. If cancelled, it closes the stream at once.
        """
        try:
            if not self._torn and self._wsproto.state in _CAN_CLOSE:
                reason = ending.reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
                await self._send(CloseConnection(code=ending.code, reason=reason))
                await self._wait_for_peers_close()
                await self._stream.aclose()
        except (ConnectionClosed, trio.BrokenResourceError):
            pass
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _wait_for_peers_close(self) -> None:
        """Read until the peer closes: closing a socket with unread data resets the connection, and
        the peer would not see the close frame.
        """
        while self._wsproto.state is ConnectionState.LOCAL_CLOSING:
            data = await self._stream.receive_some(_RECEIVE_BYTES)
            if not data:
                return
            self._wsproto.receive_data(bytes(data))
            for _ in self._wsproto.events():
                pass

    async def _open(self, upgrade: Upgrade) -> None:
        self.host, self._path = upgrade.host, upgrade.path
        self._wsproto.open_at_once()
        await self.send_rest(upgrade.answer)

    async def _handle_event(
        self, event: Event, handle: Handler, limit_rate: LimitRate
    ) -> Ending | None:
        """Handle one event. Returns how the connection ends, if it does."""
        if isinstance(event, _MESSAGES):
            data = event.data if isinstance(event.data, str) else bytes(event.data)
            await self._handle_data(data, handle, limit_rate, finished=event.message_finished)
        elif isinstance(event, Ping):
            await limit_rate()
            await self._send(event.response())
        elif isinstance(event, Pong):
            await limit_rate()
        elif isinstance(event, CloseConnection):
            # The peer's close frame, or wsproto's result for a frame that breaks the protocol.
            code = NORMAL if event.code == NO_STATUS else event.code
            if code == NO_TEXT:
                return Ending(code, "a text message must be UTF-8")
            return Ending(code, event.reason or "the peer closed the connection")
        elif isinstance(event, Request):
            if not self._any_origin and (origin := _foreign_origin(event, self._own_names)):
                with suppress(ConnectionClosed):
                    await self._send(RejectConnection(status_code=403))
                reason = f"a page of {origin} opened the WebSocket in a browser"
                return Ending(POLICY_VIOLATION, reason, limit="origin")
            self.host = event.host
            await self._accept(event, None, [])
        return None

    async def _handle_data(
        self, data: str | bytes, handle: Handler, limit_rate: LimitRate, *, finished: bool
    ) -> None:
        rest = data
        if (large := self.large_answer) is not None:
            rest = data.encode() if isinstance(data, str) else data
            rest = await large.take(rest, finished=finished)
            if large.is_too_large:
                reason = f"a file may have at most {MAX_FILE_BYTES} bytes of Base64"
                raise _MessageRefused(Ending(TOO_BIG, reason, limit="frame"))
        message = self._collect(rest, finished=finished)
        if message is not None or len(data) < _TINY_BYTES:
            await limit_rate()
        if message is not None:
            await handle(message)
            self._room.give_back()

    def _collect(self, data: str | bytes, *, finished: bool) -> str | bytes | None:
        """Return the message once it is complete. Raises _MessageRefused."""
        if finished and not self._fragments:
            self._check_size(_utf8_size(data))
            return data
        self._fragments += data.encode() if isinstance(data, str) else data
        self._check_size(len(self._fragments))
        if ending := self._room.cover(len(self._fragments)):
            raise _MessageRefused(ending)
        if not finished:
            return None
        self._room.complete()
        message, self._fragments = bytes(self._fragments), bytearray()
        return message

    def _check_size(self, size: int) -> None:
        if size > self.limit:
            reason = f"a message may have at most {self.limit} bytes"
            raise _MessageRefused(Ending(TOO_BIG, reason, limit="frame"))

    async def _refuse(self, error: RemoteProtocolError) -> Ending:
        """Answer a request that is not an upgrade or breaks the protocol."""
        if error.event_hint is not None:
            with suppress(ConnectionClosed):  # The peer may have gone.
                await self._send(error.event_hint)
        return Ending(ABNORMAL, str(error))

    async def _send(self, event: Event) -> None:
        try:
            data = self._wsproto.send(event)
        except LocalProtocolError:
            raise ConnectionClosed(None) from None
        await self.send_rest(data)

    async def send_rest(self, data: bytes) -> None:
        """Send what the stream has kept, then `data`. Raises ConnectionClosed."""
        await self._acquire_stream()
        try:
            if self._torn:
                raise ConnectionClosed(None)
            # A cancellation that is already pending must not leave half a frame.
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
            # Nearly always free; then no checkpoint is needed.
            self._stream_lock.acquire_nowait()
        except trio.WouldBlock:
            await self._stream_lock.acquire()


class _MessageRefused(Exception):
    """A message is larger than the limit, or finds no room."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending


def _foreign_origin(request: Request, own_names: OwnNames) -> str:
    """Return the origin of a page on another host that opened this WebSocket; "" if none did.

    Browsers always send it, as a URL or "null". Some cameras send one too: their own libraries put
    the address there that they connect to, or a bare name. The page's host must be the one that
    was asked for, and the hub's own: the owner of another name can let it lead to the hub (DNS
    rebinding).
    """
    for name, value in request.extra_headers:
        if name.lower() == b"origin":
            origin = value.decode("latin-1").strip()
            is_of_browser = "://" in origin or origin.lower() == "null"
            host = _host_of(origin)
            asked_for = _host_of(f"//{request.host}")
            if is_of_browser and (host != asked_for or not _is_own(host or "", own_names)):
                return origin[:_MAX_REASON_BYTES]
    return ""


def _is_own(host: str, own_names: OwnNames) -> bool:
    """Whether a host is an address, or a name of the hub."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        names = {name.lower() for name in own_names()}
        return host in names or f"*.{host.partition('.')[2]}" in names
    return True


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # Not a URL, such as "http://[".
        return None


def _utf8_size(data: str | bytes) -> int:
    """Size of the data in bytes, of text as UTF-8."""
    if isinstance(data, bytes) or data.isascii():
        return len(data)
    return len(data.encode())
