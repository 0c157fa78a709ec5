"""HTTP/1.1 on one connection: hypercorn's pieces with our limits, our deadlines and a fence.

Each class here stands in the place of one of hypercorn's and changes what a hub on a LAN cannot
live with:

    Settings    Config              what every answer carries; where faults are logged
    Inbox       (a memory channel)  a body waits in a bounded window; 100 Continue only when wanted
    Tasks       TaskGroup           a fault of the application ends its request, not the process
    Exchange    HTTPStream          nothing is sent once the exchange is over
    Http1       H11Protocol         HTTP/1.1 only; errors in a short form; a refused body is dropped
    Connection  TCPServer           large reads, deadlines, sends that give up, an end that comes
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http.client import responses
from typing import Any, cast

import h11
import hypercorn.config
import msgspec
import trio
from hypercorn import events
from hypercorn.protocol import events as stream_events
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import (
    AppWrapper,
    ASGIReceiveEvent,
    ASGISendEvent,
    ConnectionState,
    H11SendableEvent,
    Scope,
)

from hub import metrics
from hub.accept import Peer
from hub.log import limited
from hub.plainhttp import origin_form

log = logging.getLogger(__name__)

#: A read takes what is there up to this: a capture of 220 KB comes in few of them.
READ_BYTES = 256 * 1024
#: Request line and headers.
HEAD_BYTES = 16 * 1024
#: From the first byte of a request, or from the start of the connection, to its last header.
HEAD_SECONDS = 10.0
#: Between two requests.
IDLE_SECONDS = 75.0
#: A body that was refused is read and dropped, so that the sender gets to read why.
DROP_SECONDS = 10.0
#: A peer that is told to go is read for this long, or it would lose the answer to a reset.
LINGER_SECONDS = 3.0
#: A send has to get this much further ...
_SEND_BYTES = 64 * 1024
#: ... in this time.
SEND_SECONDS = 10.0
#: What waits for the application beyond one read; each piece of it, however small, counts extra.
_WINDOW_BYTES = READ_BYTES
_PIECE_BYTES = 512
#: After so many chunks the other connections have their turn.
_CHUNKS_AT_ONCE = 16

Headers = list[tuple[bytes, bytes]]

_NOSNIFF = b"x-content-type-options"
_CLOSE = (b"connection", b"close")
_BOTH_LENGTHS = {b"content-length", b"transfer-encoding"}
_MEANINGS = {
    400: "malformed request",
    408: "the request took too long",
    431: f"the request line and headers are longer than {HEAD_BYTES} bytes",
    501: "transfer encodings other than chunked are not supported",
    505: "HTTP/1.1 is spoken here",
}


class Settings(hypercorn.config.Config):
    """What hypercorn asks its configuration. No answer names the server or its version."""

    h11_max_incomplete_size = HEAD_BYTES
    errorlog = log
    shutdown_timeout = 3.0

    def response_headers(self, protocol: str) -> Headers:
        return list(_on_every_answer(int(time.time())))


@lru_cache(maxsize=1)
def _on_every_answer(unix_seconds: int) -> tuple[tuple[bytes, bytes], ...]:
    """Made once a second, which is as fine as the date goes."""
    date = formatdate(unix_seconds, usegmt=True).encode()
    return (b"date", date), (_NOSNIFF, b"nosniff")


class PeerLost(OSError):
    """Nothing can be sent any more: the connection broke, or the peer does not read."""


@dataclass(frozen=True)
class Leaving(events.Event):
    """The answer is out before its request was in. `lingering`: no further one is wanted."""

    lingering: bool


class Inbox:
    """What the application receives of one request: its body, then word that the peer is gone."""

    def __init__(self, wanted: Callable[[], Awaitable[None]]) -> None:
        self._wanted = wanted
        self._messages: deque[ASGIReceiveEvent] = deque()
        self._bytes = 0
        self._gone = self._closed = False
        self._news = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()

    async def put(self, message: ASGIReceiveEvent) -> None:
        """Hand over a message; waits while more than a window of body has not been taken."""
        if message["type"] == "http.disconnect":
            self._gone = True
            self._make_room()
        elif message["type"] == "http.request" and not self._closed:
            self._messages.append(message)
            self._bytes += len(message["body"]) + _PIECE_BYTES
        if self._news:
            self._news.unpark_all()
        while self._bytes > _WINDOW_BYTES and not self._gone:
            await self._room.park()

    async def receive(self) -> ASGIReceiveEvent:
        if not self._messages and not self._gone:
            await self._wanted()
        while not self._messages and not self._gone:
            await self._news.park()
        if not self._messages:
            return {"type": "http.disconnect"}
        message = self._messages.popleft()
        if message["type"] == "http.request":
            self._bytes -= len(message["body"]) + _PIECE_BYTES
        self._make_room()
        return message

    def close(self) -> None:
        """The application is done: what else comes is dropped."""
        self._closed = True
        self._messages.clear()
        self._bytes = 0
        self._make_room()

    def _make_room(self) -> None:
        if self._room:
            self._room.unpark_all()


class Tasks(TaskGroup):
    """The tasks of one connection. An error of the application is logged here and goes no further.

    `wanted` is called when the application waits for a body of which nothing is there.
    """

    wanted: Callable[[], Awaitable[None]]

    async def spawn_app(
        self,
        app: AppWrapper,
        config: hypercorn.config.Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        inbox = Inbox(self.wanted)
        self.spawn(_answer, app, scope, inbox, send)
        return inbox.put


async def _answer(
    app: AppWrapper,
    scope: Scope,
    inbox: Inbox,
    send: Callable[[ASGISendEvent | None], Awaitable[None]],
) -> None:
    try:
        await app(scope, inbox.receive, send, trio.to_thread.run_sync, trio.from_thread.run)
    except* PeerLost:
        pass
    except* Exception as faults:
        metrics.connection_faults.labels("web").inc()
        # The query may hold a signature: it stays out of the log.
        place = f"{scope['method']} {scope['path']}" if scope["type"] == "http" else scope["type"]
        limited(
            log,
            logging.ERROR,
            f"fault {place}",
            "a fault of the hub while answering %s",
            place,
            exc_info=faults,
        )
    inbox.close()
    with suppress(PeerLost):
        await send(None)


class Exchange(HTTPStream):
    """One request and its answer."""

    _peer_left = False

    async def peer_left(self) -> None:
        """The peer sends no more. It may have ended its side only, and wait for the answer."""
        self._peer_left = True
        await self.app_put({"type": "http.disconnect"})

    async def app_send(self, message: ASGISendEvent | None) -> None:
        if self.closed:
            if message is not None:
                raise PeerLost
        elif message is None and self._peer_left and self.state is ASGIHTTPState.REQUEST:
            await self.send(stream_events.StreamClosed(stream_id=self.stream_id))
        else:
            await super().app_send(message)


class Http1(H11Protocol):
    """HTTP/1.1 over h11, and nothing else: no WebSocket, no HTTP/2, no tunnel.

    h11 reads heads and chunked bodies, and writes answers. A body of known length goes from the
    socket to the application as it came; so each exchange has an h11 connection of its own.
    """

    connection: h11.Connection
    stream: Exchange | None

    #: What is still to come of a body of known length.
    _left = 0
    #: Something of the body, if any, is there; the whole request is there.
    _body_begun = _complete = False
    #: The head of an answer of known length: it is sent together with the first of its body.
    _held = b""
    #: What else comes from the peer is not looked at.
    _refused = False
    _chunks = 0

    async def handle(self, event: events.Event) -> None:
        if isinstance(event, events.RawData) and event.data:
            await self._feed(event.data)
        elif isinstance(event, events.RawData):
            if self.stream is not None and not self._complete:
                await self.refuse(400, "body: ended before it was complete")
        elif isinstance(event, events.Closed) and self.stream is not None:
            await self.stream.peer_left()

    async def refuse(self, status: int, message: str = "") -> None:
        """Answer in a short form, if no answer has begun, and end the connection."""
        self._refused = True
        # Before anything else can run: the application may have its own answer ready by now.
        await self._close_stream()
        if self.connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = msgspec.json.encode({"code": 420, "msg": message or _MEANINGS[status]})
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                _CLOSE,
                *self.config.response_headers("h11"),
            ]
            await self._send_response(status, headers)
            await self._send_h11_event(h11.Data(data=body))
            await self._send_h11_event(h11.EndOfMessage())
        await self.send(Leaving(lingering=True))

    async def invite_body(self) -> None:
        """The application asks for the body of a sender that may wait to be asked."""
        if self._sender_waits:
            await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))

    @property
    def has_begun(self) -> bool:
        """Is a part of a request's head there, and not yet the whole?"""
        return self.connection.their_state is h11.IDLE and self.connection.trailing_data[0] != b""

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def _sender_waits(self) -> bool:
        return self.connection.they_are_waiting_for_100_continue and not self._body_begun

    async def stream_send(self, event: stream_events.Event) -> None:
        if isinstance(event, stream_events.Response):
            await self._send_head(event)
        else:
            await super().stream_send(event)

    async def _feed(self, data: bytes) -> None:
        while data and not self._refused:
            if self._complete:
                # The next request waits until this one is answered.
                await self.can_read.clear()
                await self.can_read.wait()
            elif self._left:
                part, data = data[: self._left], data[self._left :]
                await self._take_part(part)
            else:
                data = await self._parse(data)

    async def _take_part(self, part: bytes) -> None:
        self._body_begun = True
        self._left -= len(part)
        if self.stream is not None:
            await self.stream.handle(stream_events.Body(stream_id=STREAM_ID, data=part))
        if not self._left:
            await self._end_request()

    async def _parse(self, data: bytes) -> bytes:
        """Give h11 what it is to read; returns what lies beyond."""
        size = len(data)
        if self.connection.their_state is h11.IDLE:
            # The head alone; and never more than one byte too many, which h11 refuses.
            end = data.find(b"\r\n\r\n", 0, HEAD_BYTES)
            size = end + 4 if end >= 0 else HEAD_BYTES + 1
        connection = self.connection
        connection.receive_data(data[:size])
        try:
            while (event := connection.next_event()) is not h11.NEED_DATA:
                if await self._is_last(event):
                    return connection.trailing_data[0] + data[size:]
        except h11.RemoteProtocolError as error:
            await self.refuse(error.error_status_hint)
            return b""
        return data[size:]

    async def _is_last(self, event: object) -> bool:
        """Pass an event on; whether h11 has read all that it is to read of this request."""
        if isinstance(event, h11.Request):
            await self._begin(event)
            return self._left > 0 or self._refused
        if isinstance(event, h11.Data):
            await self._take_chunk(bytes(event.data))
            return False
        await self._end_request()
        return True

    async def _take_chunk(self, data: bytes) -> None:
        self._body_begun = True
        if self.stream is not None:
            await self.stream.handle(stream_events.Body(stream_id=STREAM_ID, data=data))
        self._chunks += 1
        if self._chunks % _CHUNKS_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()

    async def _begin(self, request: h11.Request) -> None:
        await self.send(events.Updated(idle=False))
        headers = list(request.headers)
        refusal = _refusal_of(request, headers)
        if refusal is not None:
            limited(
                log,
                logging.INFO,
                f"refused {self._address} {refusal[1]}",
                "refused a request from %s on the web port: %s",
                self._address,
                refusal[1],
            )
            await self.refuse(*refusal)
            return
        self._left = _length_of(headers)
        self.stream = Exchange(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        await self.stream.handle(
            stream_events.Request(
                stream_id=STREAM_ID,
                headers=headers,
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=origin_form(request.target),
                state=self.connection_state,
            )
        )

    async def _end_request(self) -> None:
        self._complete = True
        if self.stream is not None:
            await self.stream.handle(stream_events.EndBody(stream_id=STREAM_ID))
        else:
            # It was answered before all of it was there.
            await self._maybe_recycle()

    async def _send_head(self, event: stream_events.Response) -> None:
        headers = [header for header in event.headers if header[0] != _NOSNIFF]
        headers += self.config.response_headers("h11")
        if self.context.terminated.is_set() or self._sender_waits:
            headers.append(_CLOSE)
        await self._send_response(event.status_code, headers)

    async def _send_response(self, status: int, headers: Headers) -> None:
        response, of_known_length = _response(status, tuple(headers))
        if of_known_length:
            self._held = self.connection.send(response)
        else:
            await self._send_h11_event(response)

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        data, self._held = self._held + self.connection.send(event), b""
        if data:
            await self.send(events.RawData(data))

    async def _maybe_recycle(self) -> None:
        """An answer is out, or the rest of its request is in: the next one, or the end."""
        await self._close_stream()
        can_go_on = self.connection.our_state is h11.DONE
        if not self._complete:
            await self.send(Leaving(lingering=not can_go_on))
        elif can_go_on and not self.context.terminated.is_set():
            self.connection = h11.Connection(h11.SERVER, HEAD_BYTES)
            self._body_begun = self._complete = False
            await self.send(events.Updated(idle=True))
        else:
            await self.send(events.Closed())
        await self.can_read.set()


@lru_cache(maxsize=256)
def _response(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> tuple[h11.Response, bool]:
    """The answer's head, and whether it tells the length of its body.

    Most answers are alike, and to check their headers costs more than to send them.
    """
    of_known_length = any(name == b"content-length" for name, _ in headers)
    # The words after the number are optional, but not for the simplest of clients.
    words = responses.get(status, "").encode()
    return h11.Response(status_code=status, reason=words, headers=list(headers)), of_known_length


def _length_of(headers: Headers) -> int:
    """The length of the body where the head tells it; a chunked one is longer than it says."""
    length = 0
    for name, value in headers:
        if name == b"transfer-encoding":
            return 0
        if name == b"content-length":
            length = int(value)
    return length


def _refusal_of(request: h11.Request, headers: Headers) -> tuple[int, str] | None:
    """The HTTP status and why, for what is not served here at all."""
    if request.http_version not in (b"1.0", b"1.1"):
        return 505, _MEANINGS[505]
    if request.method == b"CONNECT":
        return 400, "no tunnels here"
    if _BOTH_LENGTHS.issubset(name for name, _ in headers):
        # RFC 9112, 6.1: where one party believes the one and the next the other, requests are
        # smuggled.
        return 400, "content-length and transfer-encoding exclude each other"
    if request.http_version == b"1.0" and any(name == b"transfer-encoding" for name, _ in headers):
        # 6.1 too: what passed it on may not have known that it ends before the connection does.
        return 400, "HTTP/1.0 knows no transfer-encoding"
    for name, value in headers:
        if name == b"upgrade" and b"websocket" in value.lower():
            # A camera that is pointed at the wrong port: tell whoever looks at its log.
            return 400, "no WebSocket on this port: cameras connect to devices.port"
    if origin_form(request.target)[:1] != b"/":
        return 400, "the target of a request begins with /"
    return None


class Connection(TCPServer):
    """One connection over a stream that is ready for HTTP, from its first byte to its end."""

    def __init__(
        self,
        app: AppWrapper,
        config: Settings,
        context: WorkerContext,
        stream: trio.abc.Stream,
        peer: Peer,
        server: tuple[str, int],
        *,
        tls: bool,
    ) -> None:
        super().__init__(app, config, context, {}, cast(Any, stream))
        self._stream = stream
        self._tasks = Tasks()
        self._http = Http1(
            app,
            config,
            context,
            self._tasks,
            ConnectionState({}),
            tls,
            (peer.address, peer.port),
            server,
            self.protocol_send,
        )
        self._tasks.wanted = self._http.invite_body
        self._peer = peer
        self._reading = trio.CancelScope()
        #: No request is in work: deadlines count.
        self._quiet = True
        self._begun = False
        self._cannot_send = False

    async def run(self) -> None:
        """Serve until the connection ends; the stream is closed then, unless cancelled."""
        async with self._tasks:
            await self._read_data()
        await self._stream.aclose()

    def stop(self) -> None:
        """The hub is going: without a request in work the connection ends now, else after it."""
        if self._http.stream is None:
            self._reading.cancel()

    async def protocol_send(self, event: events.Event) -> None:
        if isinstance(event, events.RawData):
            await self._send(event.data)
        elif isinstance(event, events.Updated):
            self._quiet = event.idle
            self._begun = False
            self._allow(IDLE_SECONDS if event.idle else math.inf)
        elif isinstance(event, Leaving):
            await self._part(lingering=event.lingering)
        elif isinstance(event, events.Closed):
            self._reading.cancel()

    async def _read_data(self) -> None:
        self._allow(HEAD_SECONDS)
        with suppress(PeerLost):
            with self._reading:
                while data := await self._receive():
                    await self._http.handle(events.RawData(data))
                    if self._quiet:
                        self._hurry()
                await self._http.handle(events.RawData(b""))
            if self._reading.cancelled_caught and self._begun:
                await self._http.refuse(408)
        await self._http.handle(events.Closed())

    def _hurry(self) -> None:
        """A request that has begun is to be there soon, however it trickles."""
        if not self._begun and self._http.has_begun:
            self._begun = True
            soon = trio.current_time() + HEAD_SECONDS
            self._reading.deadline = min(self._reading.deadline, soon)

    async def _receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(READ_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def _send(self, data: bytes) -> None:
        """Send all of `data`. Raises PeerLost; then, or cancelled, nothing is ever sent again."""
        try:
            # Nearly always free: acquire() would cost a round of the scheduler.
            self.send_lock.acquire_nowait()
        except trio.WouldBlock:
            await self.send_lock.acquire()
        try:
            await self._send_or_break(memoryview(data))
        finally:
            self.send_lock.release()

    async def _send_or_break(self, data: memoryview) -> None:
        if self._cannot_send:
            raise PeerLost
        self._cannot_send = True
        try:
            await self._send_steadily(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
            if isinstance(error, trio.TooSlowError):
                self._tell_of_a_peer_that_does_not_read()
            self._reading.cancel()
            raise PeerLost from error
        self._cannot_send = False

    async def _send_steadily(self, data: memoryview) -> None:
        with trio.CancelScope() as patience:
            for start in range(0, len(data), _SEND_BYTES):
                patience.deadline = trio.current_time() + SEND_SECONDS
                await self._stream.send_all(data[start : start + _SEND_BYTES])
        if patience.cancelled_caught:
            raise trio.TooSlowError

    async def _part(self, *, lingering: bool) -> None:
        self._begun = False
        self._allow(LINGER_SECONDS if lingering else DROP_SECONDS)
        if lingering and isinstance(self._stream, trio.abc.HalfCloseableStream):
            try:
                await self._stream.send_eof()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._reading.cancel()

    def _allow(self, seconds: float) -> None:
        self._reading.deadline = trio.current_time() + seconds

    def _tell_of_a_peer_that_does_not_read(self) -> None:
        metrics.limits_reached.labels("send").inc()
        limited(
            log,
            logging.WARNING,
            f"send {self._peer.address}",
            "%s did not read its answer for %d s",
            self._peer.address,
            SEND_SECONDS,
        )
