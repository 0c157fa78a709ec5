"""One request and its answer, between the connection and the ASGI application."""

from __future__ import annotations

import logging
from contextlib import suppress
from enum import Enum, auto
from typing import Protocol

from hypercorn.typing import (
    ASGIFramework,
    ASGISendEvent,
    HTTPResponseStartEvent,
    HTTPScope,
)
from hypercorn.utils import UnexpectedMessageError, suppress_body

from hub import metrics
from hub.log import limited, place_of
from hub.net.byte_budget import Share
from web.http.answers import FREE_BYTES, AnswerBudget
from web.http.http_heads import Headers, body_length
from web.http.inbox import Inbox
from web.http.sender import PeerLost

log = logging.getLogger(__name__)


class AnswerWriter(Protocol):
    """Sends an answer. All methods raise PeerLost."""

    async def send_head(self, status: int, headers: Headers) -> None: ...

    async def send_body(self, data: bytes) -> None: ...

    async def send_end(self) -> None: ...

    async def send_error(self, status: int) -> None:
        """Send a whole answer in place of the application, which sent none."""

    def cut_off(self) -> None:
        """End the connection at once, in the middle of the answer."""

    async def finish_exchange(self) -> None:
        """End the exchange: the answer was sent, or will never be."""


class _Stage(Enum):
    """The progress of an answer."""

    AWAITED = auto()
    BEGUN = auto()
    ENDED = auto()


class Exchange:
    """Runs the application for one request.

    After `end` the application can send nothing more: its `send` raises PeerLost. The parts of the
    answer have room in `answers` while they are sent; an answer that finds none is refused (503).
    """

    #: The head of an answer of known length waits for the first part of its body.
    _head: HTTPResponseStartEvent | None = None
    _share: Share | None = None

    def __init__(
        self,
        writer: AnswerWriter,
        scope: HTTPScope,
        inbox: Inbox,
        answers: AnswerBudget,
    ) -> None:
        self._answers = answers
        self._writer = writer
        self._scope = scope
        self._inbox = inbox
        self._stage = _Stage.AWAITED
        self._status = 0
        self._has_peer_left = False
        #: The application can send no more.
        self.is_over = False

    async def run(self, app: ASGIFramework) -> None:
        """Call the application. Its errors are logged and answered, not raised."""
        try:
            await self._run(app)
        finally:
            if self._share is not None:
                self._share.give_back()

    async def _run(self, app: ASGIFramework) -> None:
        try:
            await app(self._scope, self._inbox.receive, self._send)
        except* PeerLost:
            pass
        except* Exception as errors:
            metrics.connection_faults.labels("web").inc()
            # The query may hold a signature, and the path the token of a link: neither is logged.
            # The traceback tells which view it was.
            area = self._scope["path"].split("/", 2)[1:2]
            request_line = f"{self._scope['method']} /{''.join(area)}"
            limited(
                log,
                logging.ERROR,
                f"fault {place_of(errors)}",
                "a fault of the hub while answering %s",
                request_line,
                exc_info=errors,
            )
        if not self.is_over:
            with suppress(PeerLost):
                if self._stage is _Stage.AWAITED and not self._has_peer_left:
                    await self._writer.send_error(500)
                await self._writer.finish_exchange()

    def peer_left(self) -> None:
        """Note that the peer sends no more. It may still wait for the answer (half-closed)."""
        self._has_peer_left = True
        self._inbox.disconnect()

    def end(self) -> None:
        """Stop the answer: the application can send no more."""
        self.is_over = True
        self._inbox.disconnect()

    async def _send(self, event: ASGISendEvent) -> None:
        """The `send` of ASGI."""
        if self.is_over:
            raise PeerLost
        if event["type"] == "http.response.start" and self._stage is _Stage.AWAITED:
            self._stage, self._status = _Stage.BEGUN, event["status"]
            if (body_length(event.get("headers", ())) or 0) > FREE_BYTES:
                self._head = event
            else:
                await self._send_head(event)
        elif event["type"] == "http.response.body" and self._stage is _Stage.BEGUN:
            await self._send_body(event.get("body", b""), more=event.get("more_body", False))
        else:
            raise UnexpectedMessageError(self._stage, event["type"])

    async def _send_head(self, event: HTTPResponseStartEvent) -> None:
        headers = [(name, value) for name, value in event.get("headers", ())]
        await self._writer.send_head(self._status, headers)

    async def _send_body(self, data: bytes, *, more: bool) -> None:
        if len(data) > FREE_BYTES:
            await self._take_room(len(data))
        if self._head is not None:
            head, self._head = self._head, None
            await self._send_head(head)
        if data and not suppress_body(self._scope["method"], self._status):
            await self._writer.send_body(data)
        if not more:
            await self._writer.send_end()
            self._stage = _Stage.ENDED
            await self._writer.finish_exchange()

    async def _take_room(self, size: int) -> None:
        """Take room for a part of the answer. If there is none, refuse it and raise PeerLost."""
        if self._share is not None:
            self._share.cover(size)
            return
        client = self._scope.get("client")
        sender = client[0] if client else ""
        self._share = self._answers.take(size, sender, self._writer.cut_off)
        if self._share is not None:
            return
        if self._head is not None:
            await self._writer.send_error(503)
            await self._writer.finish_exchange()
        else:
            # The head of a streamed answer is sent already.
            self._writer.cut_off()
        raise PeerLost
