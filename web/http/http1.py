"""HTTP/1.1 on one connection: with our limits, our deadlines and a fence, for ASGI applications.

Each class here stands in the place of one of hypercorn's and changes what a hub on a LAN cannot
live with, or what costs more than the answer:

    Settings    Config              where faults are logged; how long an end may take
    Inbox       (a memory channel)  a body waits in a bounded window; 100 Continue only when wanted
    Tasks       TaskGroup           a fault of the application ends its request, not the process
    Exchange    HTTPStream          nothing is sent once it is over; calls instead of events
    Http1       H11Protocol         HTTP/1.1 only; errors in a short form; a refused body is
                                    dropped; usual heads need no h11 (web.http.http_heads)
    Connection  TCPServer           large reads, deadlines that cost little, sends that give up,
                                    an end that comes
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
from enum import Enum, auto
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote

import h11
import hypercorn.config
import msgspec
import trio
from hypercorn import events
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import (
    AppWrapper,
    ASGIReceiveEvent,
    ASGISendEvent,
    ConnectionState,
    H11SendableEvent,
    HTTPScope,
    Scope,
)
from hypercorn.utils import UnexpectedMessageError, suppress_body

from hub import metrics
from hub.log import limited
from hub.net.connection import Peer
from hub.net.deadlines import Deadlines
from hub.net.https_redirect import origin_form
from hub.net.socket_stream import QuickStream
from web.http.http_heads import (
    Headers,
    RequestHead,
    answer_head,
    read_head,
    with_nosniff,
    write_head,
)

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
#: An answer of up to so much goes out at once where the socket has room for it.
_AT_ONCE_BYTES = 16 * 1024
#: What waits for the application beyond one read; each piece of it, however small, counts extra.
_WINDOW_BYTES = READ_BYTES
_PIECE_BYTES = 512
#: A change that came whole, with a body of up to so much, is answered in the task that read it.
_WHOLE_BYTES = 64 * 1024
#: Tells the application that all of the body is there: to receive it takes no time.
WHOLE_BODY = "sitehub.whole_body"
#: After so many chunks the other connections have their turn.
_CHUNKS_AT_ONCE = 16

_BUSY, _IDLE = events.Updated(idle=False), events.Updated(idle=True)
_CLOSE = (b"connection", b"close")
_BOTH_LENGTHS = {b"content-length", b"transfer-encoding"}
_MEANINGS = {
    400: "malformed request",
    408: "the request took too long",
    431: f"the request line and headers are longer than {HEAD_BYTES} bytes",
    500: "a fault of the hub: see its log",
    501: "transfer encodings other than chunked are not supported",
    505: "HTTP/1.1 is spoken here",
}


class Settings(hypercorn.config.Config):
    """What hypercorn asks its configuration."""

    errorlog = log
    shutdown_timeout = 3.0


@lru_cache(maxsize=1)
def _date(unix_seconds: int) -> bytes:
    """Made once a second, which is as fine as the date goes."""
    return formatdate(unix_seconds, usegmt=True).encode()


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
        self.spawn(answer, app, scope, inbox, send)
        return inbox.put


async def answer(
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


class _Stage(Enum):
    """How far an answer is."""

    WAITED_FOR = auto()
    BEGUN = auto()
    ENDED = auto()


class Exchange:
    """One request and its answer, as ASGI has it."""

    def __init__(self, http: Http1, tasks: Tasks, scope: HTTPScope) -> None:
        self.scope = scope
        self._http = http
        self._tasks = tasks
        self._stage = _Stage.WAITED_FOR
        self._status = 0
        self._peer_left = self._over = False

    async def begin(self, app: AppWrapper, config: Settings) -> None:
        self._put = await self._tasks.spawn_app(app, config, self.scope, self.send)

    async def answer(self, app: AppWrapper, body: bytes) -> None:
        """Answer it here and now, with all of its body there."""
        inbox = Inbox(self._tasks.wanted)
        self._put = inbox.put
        await self.take(body, more=False)
        await answer(app, self.scope, inbox, self.send)

    async def take(self, data: bytes, *, more: bool) -> None:
        """Hand a part of the body to the application."""
        if not self._over:
            await self._put({"type": "http.request", "body": data, "more_body": more})

    async def peer_left(self) -> None:
        """The peer sends no more. It may have ended its side only, and wait for the answer."""
        self._peer_left = True
        await self._put({"type": "http.disconnect"})

    async def end(self) -> None:
        """Nothing of it is sent any more."""
        self._over = True
        await self._put({"type": "http.disconnect"})

    async def send(self, message: ASGISendEvent | None) -> None:
        """What the application answers; None when it has nothing more to say."""
        if message is None:
            await self._finish()
        elif self._over:
            raise PeerLost
        elif message["type"] == "http.response.start" and self._stage is _Stage.WAITED_FOR:
            self._stage, self._status = _Stage.BEGUN, message["status"]
            headers = [(name, value) for name, value in message.get("headers", ())]
            await self._http.send_head(self._status, headers)
        elif message["type"] == "http.response.body" and self._stage is _Stage.BEGUN:
            await self._send_body(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise UnexpectedMessageError(self._stage, message["type"])

    async def _send_body(self, data: bytes, *, more: bool) -> None:
        if data and not suppress_body(self.scope["method"], self._status):
            await self._http.send_body(data)
        if not more:
            await self._http.send_end()
            self._stage = _Stage.ENDED
            await self._http.recycle()

    async def _finish(self) -> None:
        if self._over:
            return
        if self._stage is _Stage.WAITED_FOR and not self._peer_left:
            await self._http.send_short(500)
        await self._http.recycle()


class Http1:
    """HTTP/1.1, and nothing else: no WebSocket, no HTTP/2, no tunnel.

    A body of known length goes from the socket to the application as it came. Usual heads are
    read and written by web.http.http_heads; what is unusual about an exchange, a chunked body for
    one, goes by an h11 connection of its own.
    """

    #: The exchange that is in work.
    stream: Exchange | None = None

    #: None as long as nothing about this exchange is unusual.
    _h11: h11.Connection | None = None
    #: The head of its request, where h11 has not seen it.
    _head = b""
    #: What is still to come of a body of known length.
    _left = 0
    #: Something of the body, if any, is there; the whole request is there.
    _body_begun = _complete = False
    #: Its answer has a head alone.
    _is_head = False
    #: The answer has begun, past h11; what is still to be sent of its body.
    _answered = False
    _owed = 0
    #: What is to be sent next: the head of an answer of known length waits for the first of its
    #: body.
    _held = b""
    #: What else comes from the peer is not looked at.
    _refused = False
    _chunks = 0

    def __init__(
        self,
        app: AppWrapper,
        config: Settings,
        context: WorkerContext,
        tasks: Tasks,
        *,
        tls: bool,
        client: tuple[str, int],
        server: tuple[str, int],
        write: Callable[[bytes], Awaitable[None]],
        tell: Callable[[events.Event], Awaitable[None]],
    ) -> None:
        self._app = app
        self._config = config
        self._context = context
        self._tasks = tasks
        self._scheme = "https" if tls else "http"
        self._client = client
        self._server = server
        self._write = write
        self._tell = tell
        self._next = trio.lowlevel.ParkingLot()

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
        await self._end_exchange()
        if self._can_answer:
            await self.send_short(status, message)
        await self._tell(Leaving(lingering=True))

    async def invite_body(self) -> None:
        """The application asks for the body of a sender that may wait to be asked."""
        if self._sender_waits:
            await self._write_by_h11(h11.InformationalResponse(status_code=100, headers=[]))

    @property
    def has_begun(self) -> bool:
        """Is a part of a request's head there, and not yet the whole?"""
        return self._is_before_head and self._held_of_head > 0

    @property
    def _held_of_head(self) -> int:
        """Bytes of it that came before, where it does not come at once."""
        return 0 if self._h11 is None else len(self._h11.trailing_data[0])

    @property
    def _is_before_head(self) -> bool:
        return not self._head and (self._h11 is None or self._h11.their_state is h11.IDLE)

    @property
    def _can_answer(self) -> bool:
        if self._h11 is not None:
            return self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE)
        return not self._answered

    @property
    def _sender_waits(self) -> bool:
        return (
            self._h11 is not None
            and self._h11.they_are_waiting_for_100_continue
            and not self._body_begun
            # It has none.
            and not self._complete
        )

    # The request

    async def _feed(self, data: bytes) -> None:
        while data and not self._refused:
            if self._complete:
                # The next request waits until this one is answered.
                await self._next.park()
            elif self._left:
                part, data = data[: self._left], data[self._left :]
                await self._take_part(part)
            else:
                data = await self._parse(data)

    async def _take_part(self, part: bytes) -> None:
        self._body_begun = True
        self._left -= len(part)
        if self._left == 0:
            await self._end_request(part)
        elif self.stream is not None:
            await self.stream.take(part, more=True)

    async def _parse(self, data: bytes) -> bytes:
        """Read a head, or what comes of a chunked body; returns what lies beyond."""
        size = len(data)
        if self._is_before_head:
            room = HEAD_BYTES - self._held_of_head
            end = data.find(b"\r\n\r\n", 0, room) + 4
            if end >= 4 and self._h11 is None and (head := read_head(data[:end])) is not None:
                self._head = data[:end]
                return await self._take_usual(head, data[end:])
            # The head alone; and never more than one byte too many, which h11 refuses.
            size = end if end >= 4 else room + 1
        connection = self._by_h11()
        connection.receive_data(data[:size])
        try:
            while (event := connection.next_event()) is not h11.NEED_DATA:
                if await self._is_last(event):
                    return connection.trailing_data[0] + data[size:]
        except h11.RemoteProtocolError as error:
            await self.refuse(error.error_status_hint)
            return b""
        return data[size:]

    async def _take_usual(self, head: RequestHead, data: bytes) -> bytes:
        """Begin a request, of whose body some or all may be in `data`; returns what is not used.

        A change is carried through though its sender hangs up, so nobody needs to listen for that:
        if all of it is there it is answered before anything else is read, without a task of its
        own.
        """
        size = head.length
        scope = self._scope_of(head.method, head.target, head.headers, "1.1")
        if head.method == "GET" or size > min(len(data), _WHOLE_BYTES):
            await self._begin(scope, size)
            return data
        scope["extensions"] = {WHOLE_BODY: {}}
        await self._tell(_BUSY)
        self._complete = True
        self.stream = Exchange(self, self._tasks, scope)
        await self.stream.answer(self._app, data[:size])
        if len(data) > size:
            # A flood of requests, sent without waiting for an answer: the others have their turn.
            await trio.lowlevel.checkpoint()
        return data[size:]

    async def _is_last(self, event: object) -> bool:
        """Pass an event on; whether h11 has read all that it is to read of this request."""
        if isinstance(event, h11.Request):
            await self._begin_unusual(event)
            return self._left > 0 or self._complete or self._refused
        if isinstance(event, h11.Data):
            await self._take_chunk(bytes(event.data))
            return False
        await self._end_request(b"")
        return True

    async def _take_chunk(self, data: bytes) -> None:
        self._body_begun = True
        if self.stream is not None:
            await self.stream.take(data, more=True)
        self._chunks += 1
        if self._chunks % _CHUNKS_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()

    async def _begin_unusual(self, request: h11.Request) -> None:
        headers = list(request.headers)
        self._is_head = request.method == b"HEAD"
        refusal = _refusal_of(request, headers)
        if refusal is not None:
            await self._tell(_BUSY)
            limited(
                log,
                logging.INFO,
                f"refused {self._client[0]} {refusal[1]}",
                "refused a request from %s on the web port: %s",
                self._client[0],
                refusal[1],
            )
            await self.refuse(*refusal)
            return
        scope = self._scope_of(
            request.method.decode("ascii").upper(),
            origin_form(request.target),
            headers,
            request.http_version.decode(),
        )
        await self._begin(scope, _length_of(headers))

    async def _begin(self, scope: HTTPScope, length: int | None) -> None:
        """A request is there, but for its body of `length`; None: h11 will tell where it ends."""
        await self._tell(_BUSY)
        self.stream = Exchange(self, self._tasks, scope)
        await self.stream.begin(self._app, self._config)
        self._left = length or 0
        if length == 0:
            await self._end_request(b"")

    def _scope_of(self, method: str, target: bytes, headers: Headers, version: str) -> HTTPScope:
        path, _, query = target.partition(b"?")
        return {
            "type": "http",
            "http_version": version,
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "method": method,
            "scheme": self._scheme,
            "path": unquote(path.decode("ascii")) if b"%" in path else path.decode("ascii"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": self._client,
            "server": self._server,
            "state": ConnectionState({}),
            "extensions": {},
        }

    async def _end_request(self, data: bytes) -> None:
        """The last of the body is there."""
        self._complete = True
        if self.stream is not None:
            await self.stream.take(data, more=False)
        else:
            # It was answered before all of it was there.
            await self.recycle()

    # The answer

    async def send_head(self, status: int, headers: Headers) -> None:
        if self._context.terminated.is_set() or self._sender_waits:
            headers.append(_CLOSE)
        usual = write_head(status, tuple(headers)) if self._h11 is None else None
        now = _date(int(time.time()))
        if usual is not None:
            self._answered = True
            self._owed = usual.length
            self._held = b"%bdate: %b\r\n\r\n" % (usual.start, now)
        else:
            headers = [*with_nosniff(headers), (b"date", now)]
            await self._send_unusual_head(answer_head(status, tuple(headers)))

    async def send_short(self, status: int, message: str = "") -> None:
        """An answer of the hub's own, and the connection's last."""
        code = 503 if status == 500 else 420
        body = msgspec.json.encode({"code": code, "msg": message or _MEANINGS[status]})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            _CLOSE,
        ]
        await self.send_head(status, headers)
        if not self._is_head:
            await self.send_body(body)
        await self.send_end()

    async def send_body(self, data: bytes) -> None:
        if self._h11 is not None:
            await self._write_by_h11(h11.Data(data=data))
            return
        if len(data) > self._owed:
            raise h11.LocalProtocolError("the body is longer than its head says")
        await self._write(self._held + data)
        # Not before: of an answer that is cut off something stays owed, and no other follows it.
        self._owed -= len(data)
        self._held = b""

    async def send_end(self) -> None:
        if self._h11 is not None:
            await self._write_by_h11(h11.EndOfMessage())
        elif self._owed:
            raise h11.LocalProtocolError("the body is shorter than its head says")
        elif self._held:
            await self.send_body(b"")

    async def recycle(self) -> None:
        """An answer is out, or the rest of its request is in: the next one, or the end."""
        await self._end_exchange()
        if not self._complete:
            await self._tell(Leaving(lingering=not self._can_go_on))
        elif self._can_go_on and not self._context.terminated.is_set():
            self._h11, self._head = None, b""
            self._answered = self._body_begun = self._complete = self._is_head = False
            await self._tell(_IDLE)
            self._next.unpark_all()
        else:
            await self._tell(events.Closed())

    @property
    def _can_go_on(self) -> bool:
        if self._h11 is not None:
            return self._h11.our_state is h11.DONE and not self._held
        return self._answered and not self._owed and not self._held

    async def _end_exchange(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            await stream.end()

    async def _send_unusual_head(self, head: h11.Response) -> None:
        connection = self._by_h11()
        if any(name == b"content-length" for name, _ in head.headers):
            self._held = connection.send(head)
        else:
            await self._write_by_h11(head)

    async def _write_by_h11(self, event: H11SendableEvent) -> None:
        self._held += self._by_h11().send(event)
        if self._held:
            await self._write(self._held)
            self._held = b""

    def _by_h11(self) -> h11.Connection:
        """This exchange as h11 sees it."""
        if self._h11 is None:
            self._h11 = h11.Connection(h11.SERVER, HEAD_BYTES)
            if self._head:
                self._h11.receive_data(self._head)
                self._h11.next_event()
                self._head = b""
        return self._h11


def _length_of(headers: Headers) -> int | None:
    """The length of the body where the head tells it; None for a chunked one."""
    length = 0
    for name, value in headers:
        if name == b"transfer-encoding":
            return None
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
        deadlines: Deadlines,
        *,
        tls: bool,
    ) -> None:
        super().__init__(app, config, context, {}, cast(Any, stream))
        self._stream = stream
        self._quick = stream if isinstance(stream, QuickStream) else None
        self._tasks = Tasks()
        self._http = Http1(
            app,
            config,
            context,
            self._tasks,
            tls=tls,
            client=(peer.address, peer.port),
            server=server,
            write=self._send,
            tell=self.protocol_send,
        )
        self._tasks.wanted = self._http.invite_body
        self._peer = peer
        self._reading = trio.CancelScope()
        self._deadlines = deadlines
        #: Until then; see hub.net.deadlines.
        self.deadline = math.inf
        #: No request is in work: deadlines count.
        self._quiet = True
        self._begun = False
        self._cannot_send = False

    async def run(self) -> None:
        """Serve until the connection ends; the stream is closed then, unless cancelled."""
        self._allow(HEAD_SECONDS)
        self._deadlines.add(self)
        try:
            async with self._tasks:
                await self._read_data()
        finally:
            self._deadlines.discard(self)
        await self._stream.aclose()
        # They know each other: they, and 50 KB of TLS, would wait for the collector, which a hub
        # that idles does not call for hours.
        del self._http, self._tasks.wanted

    def expire(self) -> None:
        """What was to come is late."""
        self._reading.cancel()

    def stop(self) -> None:
        """The hub is going: without a request in work the connection ends now, else after it."""
        if self._http.stream is None:
            self._reading.cancel()

    async def protocol_send(self, event: events.Event) -> None:
        if isinstance(event, events.Updated):
            self._quiet = event.idle
            self._begun = False
            self._allow(IDLE_SECONDS if event.idle else math.inf)
        elif isinstance(event, Leaving):
            await self._part(lingering=event.lingering)
        elif isinstance(event, events.Closed):
            self._reading.cancel()

    async def _read_data(self) -> None:
        with suppress(PeerLost):
            with self._reading:
                while data := await self._receive():
                    await self._http.handle(events.RawData(data))
                    data = b""  # Up to 256 KB would be kept while the next is waited for.
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
            self.deadline = min(self.deadline, trio.current_time() + HEAD_SECONDS)

    async def _receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(READ_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def _send(self, data: bytes) -> None:
        """Send all of `data`. Raises PeerLost; then, or cancelled, nothing is ever sent again."""
        if (quick := self._quick_for(data)) is not None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                if quick.send_nowait(data):
                    return
                data = b""  # What is left of it goes out with the send that follows.
        try:
            # Nearly always free: acquire() would cost a round of the scheduler.
            self.send_lock.acquire_nowait()
        except trio.WouldBlock:
            await self.send_lock.acquire()
        try:
            await self._send_or_break(memoryview(data))
        finally:
            self.send_lock.release()

    def _quick_for(self, data: bytes) -> QuickStream | None:
        """The stream, where a short answer may go out at once: without a lock and a deadline."""
        if len(data) > _AT_ONCE_BYTES or self._cannot_send or self.send_lock.locked():
            return None
        return self._quick

    async def _send_or_break(self, data: memoryview) -> None:
        if self._cannot_send:
            raise PeerLost
        self._cannot_send = True
        try:
            await self._send_steadily(data)
            self._cannot_send = False
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
            if isinstance(error, trio.TooSlowError):
                self._tell_of_a_peer_that_does_not_read()
            raise PeerLost from error
        finally:
            if self._cannot_send:
                # Though it was only cancelled: the peer is not to wait for the rest.
                self._reading.cancel()

    async def _send_steadily(self, data: memoryview) -> None:
        with trio.CancelScope() as patience:
            # At least once: nothing means the rest of what was sent before.
            for start in range(0, len(data) or 1, _SEND_BYTES):
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
        self.deadline = trio.current_time() + seconds

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
