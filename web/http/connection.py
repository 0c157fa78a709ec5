"""One HTTP connection: feeds ServerProtocol, keeps deadlines, runs requests in order."""

from __future__ import annotations

import logging
import math
import time
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from urllib.parse import unquote

import msgspec
import trio
from hypercorn.typing import ASGIFramework, ConnectionState, HTTPScope
from msgspec import Struct

from hub.log import limited
from hub.net.connection import Peer
from hub.net.deadlines import Deadlines
from hub.net.networks import network_of
from web.http.answers import ANSWERS, RETRY_SECONDS, AnswerBudget
from web.http.exchange import Exchange
from web.http.http_heads import CLOSE, STATUS_MESSAGES, Headers
from web.http.inbox import Inbox
from web.http.protocol import BodyPart, Refusal, Request, ServerProtocol, Wait
from web.http.sender import PeerLost, Sender

log = logging.getLogger(__name__)

#: The most that one read returns: a capture of 220 KB takes few reads.
READ_BYTES = 256 * 1024
#: From the first byte of a request, or from the start of the connection, to its last header.
HEAD_SECONDS = 10.0
#: Between two requests.
IDLE_SECONDS = 75.0
#: A refused body is read and dropped for this long, so that the client reads the answer.
DROP_SECONDS = 10.0
#: How long to keep reading after the last answer: closing at once would send a reset, which can
#: make the client lose the answer.
LINGER_SECONDS = 3.0
#: An extension of the ASGI scope: the whole body has arrived, and receive() does not wait.
WHOLE_BODY = "sitehub.whole_body"
#: The most of an answer that is encoded at once.
_SEND_BYTES = 256 * 1024
#: After so many parts of a body, other connections get a turn.
_PARTS_AT_ONCE = 16


@lru_cache(maxsize=1)
def _date(unix_seconds: int) -> bytes:
    """The Date header, formatted once a second."""
    return formatdate(unix_seconds, usegmt=True).encode()


class Serving(Struct, frozen=True, kw_only=True):
    """What all connections share. `closing`: the hub shuts down, and no further request is begun.

    `deadlines` must be watched.
    """

    closing: trio.Event
    deadlines: Deadlines
    answers: AnswerBudget


class Connection:
    """One connection over a stream that is ready for HTTP, from its first byte to its end."""

    def __init__(
        self,
        app: ASGIFramework,
        serving: Serving,
        stream: trio.abc.Stream,
        peer: Peer,
        server: tuple[str, int],
        *,
        tls: bool,
    ) -> None:
        self._app = app
        self._answers = serving.answers
        self._closing = serving.closing
        self._deadlines = serving.deadlines
        self._stream = stream
        self._peer = peer
        self._server = server
        self._scheme = "https" if tls else "http"
        #: Reading is cancelled at this time unless it is moved; see hub.net.deadlines.
        self.deadline = math.inf
        self._reading = trio.CancelScope()
        self._sender = Sender(stream, peer.address, self._reading.cancel)
        self._protocol = ServerProtocol()
        #: The request in progress.
        self._exchange: Exchange | None = None
        self._next_cycle = trio.lowlevel.ParkingLot()
        self._is_idle = True
        self._has_begun_head = False
        self._parts = 0

    async def run(self) -> None:
        """Serve until the connection ends, then close the stream (unless cancelled)."""
        self._set_deadline(HEAD_SECONDS)
        self._deadlines.add(self)
        try:
            async with trio.open_nursery() as self._tasks:
                await self._read()
        finally:
            self._deadlines.discard(self)
            # Break the reference cycle, or 50 KB of TLS state wait for the garbage collector.
            del self._tasks
        await self._stream.aclose()

    def expire(self) -> None:
        """End the reading: the deadline has passed."""
        self._reading.cancel()

    def stop(self) -> None:
        """Close now, or once the current request is answered: the hub is shutting down."""
        if self._exchange is None:
            self._reading.cancel()

    # In

    async def _read(self) -> None:
        with suppress(PeerLost):
            with self._reading:
                while data := await self._receive():
                    self._protocol.receive_data(data)
                    data = b""  # Do not keep up to 256 KB in memory during what follows.
                    await self._serve_received()
                    if self._is_idle:
                        self._limit_head()
            if self._reading.cancelled_caught and self._has_begun_head:
                await self._refuse(408)
        if self._exchange is not None:
            self._exchange.peer_left()

    async def _receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(READ_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def _serve_received(self) -> None:
        while (event := self._protocol.next_event()) is not Wait.NEED_DATA:
            if event is Wait.PAUSED:
                await self._next_cycle.park()
            elif isinstance(event, BodyPart):
                await self._drop(event)
            elif isinstance(event, Request):
                await self._begin(event)
            elif isinstance(event, Refusal):
                await self._refuse_as(event)

    async def _begin(self, request: Request) -> None:
        """Run the application for a request.

        An unsafe request is completed even if the client hangs up, so nothing needs to be read
        meanwhile but its body, which the application reads: no task is started for it.
        """
        self._set_idle(False)
        self._peer.slot.speak()
        scope = self._scope_of(request)
        inbox = Inbox(request.body, self._next_part)
        exchange = self._exchange = Exchange(self, scope, inbox, self._answers)
        if request.body is not None:
            if request.method in ("GET", "HEAD"):
                self._tasks.start_soon(exchange.run, self._app)
                return
            scope["extensions"] = {WHOLE_BODY: {}}
        await exchange.run(self._app)
        if self._protocol.has_data:
            # The client does not wait for answers: give other connections a turn.
            await trio.lowlevel.checkpoint()

    async def _next_part(self) -> BodyPart | None:
        """Read the next part of the body; None if it never comes, or is not wanted any more."""
        exchange = self._exchange
        with suppress(PeerLost):
            while exchange is not None and not exchange.is_over:
                await self._count_part()
                event = self._protocol.next_event()
                if isinstance(event, BodyPart):
                    return event
                if isinstance(event, Refusal):
                    await self._refuse_as(event)
                    break
                await self._send(self._protocol.invite_body())
                data = await self._receive()
                self._protocol.receive_data(data)
                if not data:
                    await self._refuse(400, "body: ended before it was complete")
        return None

    async def _drop(self, part: BodyPart) -> None:
        """Drop a part of a request that was answered before all of it had arrived."""
        if not part.more:
            await self.finish_exchange()
        await self._count_part()

    async def _drop_chunks(self) -> None:
        """Drop the chunks that have arrived: after the last one the connection may go on.

        Raises PeerLost if one is malformed, which is answered here.
        """
        while isinstance(event := self._protocol.next_event(), BodyPart):
            await self._count_part()
        if isinstance(event, Refusal):
            await self._refuse_as(event)
            raise PeerLost

    async def _count_part(self) -> None:
        self._parts += 1
        if self._parts % _PARTS_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()

    def _scope_of(self, request: Request) -> HTTPScope:
        path, _, query = request.target.partition(b"?")
        return {
            "type": "http",
            "http_version": request.version,
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "method": request.method,
            "scheme": self._scheme,
            "path": unquote(path.decode("ascii")) if b"%" in path else path.decode("ascii"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": request.headers,
            "client": (self._peer.address, self._peer.port),
            "server": self._server,
            "state": ConnectionState({}),
            "extensions": {ANSWERS: self._answers},  # type: ignore[dict-item]
        }

    async def _refuse(self, status: int, message: str = "") -> None:
        """Answer with a short error, unless an answer has begun, and end the connection."""
        # First, before any checkpoint: the application may be about to send its own answer.
        self._protocol.drop_rest()
        self._end_exchange()
        if self._protocol.can_answer:
            await self.send_error(status, message)
        await self._linger(half_close=True)

    async def _refuse_as(self, refusal: Refusal) -> None:
        limited(
            log,
            logging.INFO,
            f"refused {network_of(self._peer.address)} {refusal.message}",
            "refused a request from %s on the web port: %s",
            self._peer.address,
            refusal.message,
        )
        await self._refuse(refusal.status, refusal.message)

    # Out: called by the Exchange

    async def send_head(self, status: int, headers: Headers) -> None:
        if self._protocol.is_within_chunks:
            await self._drop_chunks()
        date = _date(int(time.time()))
        await self._send(
            self._protocol.head(status, headers, date=date, close=self._closing.is_set())
        )

    async def send_body(self, data: bytes) -> None:
        # A long body is not copied as a whole.
        for start in range(0, len(data), _SEND_BYTES):
            part = data if len(data) <= _SEND_BYTES else data[start : start + _SEND_BYTES]
            await self._send(self._protocol.body(part))

    async def send_end(self) -> None:
        await self._send(self._protocol.end())

    async def send_error(self, status: int, message: str = "") -> None:
        """Send an error answer, the last one of this connection."""
        code = 503 if status in (500, 503) else 420
        body = msgspec.json.encode({"code": code, "msg": message or STATUS_MESSAGES[status]})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            CLOSE,
        ]
        if status == 503:
            headers.append((b"retry-after", b"%d" % RETRY_SECONDS))
        await self.send_head(status, headers)
        if self._protocol.has_answer_body:
            await self.send_body(body)
        await self.send_end()

    def cut_off(self) -> None:
        """End the connection at once, in the middle of an answer: others need the room."""
        self._peer.slot.cut_off()
        self._reading.cancel()

    async def finish_exchange(self) -> None:
        """Serve the next request, or close: the answer is sent, or the rest of a body arrived."""
        self._end_exchange()
        can_go_on = self._protocol.can_go_on and not self._sender.is_broken
        if not self._protocol.is_request_complete:
            await self._linger(half_close=not can_go_on)
        elif can_go_on and not self._closing.is_set():
            self._protocol.start_next_cycle()
            self._set_idle(True)
            if self._next_cycle:
                self._next_cycle.unpark_all()
        else:
            self._reading.cancel()

    async def _send(self, data: bytes) -> None:
        if data:
            await self._sender.send(data)

    def _end_exchange(self) -> None:
        if self._exchange is not None:
            self._exchange.end()
            self._exchange = None

    # Deadlines

    def _set_idle(self, is_idle: bool) -> None:
        self._is_idle = is_idle
        self._has_begun_head = False
        self._set_deadline(IDLE_SECONDS if is_idle else math.inf)

    def _limit_head(self) -> None:
        """Give a head that has begun HEAD_SECONDS to be complete."""
        if not self._has_begun_head and self._protocol.has_partial_head:
            self._has_begun_head = True
            self.deadline = min(self.deadline, trio.current_time() + HEAD_SECONDS)

    async def _linger(self, *, half_close: bool) -> None:
        """Read and drop the rest of a request that was answered before it was complete."""
        self._has_begun_head = False
        self._set_deadline(LINGER_SECONDS if half_close else DROP_SECONDS)
        if half_close:
            self._protocol.drop_rest()
            if isinstance(self._stream, trio.abc.HalfCloseableStream):
                try:
                    # The application's task, in which this may run, is cancelled when it is over.
                    with trio.CancelScope(shield=True):
                        await self._stream.send_eof()
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    self._reading.cancel()

    def _set_deadline(self, seconds: float) -> None:
        self.deadline = trio.current_time() + seconds
