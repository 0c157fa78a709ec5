"""One request and its answer, between the connection and the ASGI application."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Protocol

from hypercorn.typing import ASGIFramework, ASGISendEvent, HTTPScope
from hypercorn.utils import UnexpectedMessageError, suppress_body

from hub import metrics
from hub.log import limited
from web.http.http_heads import Headers
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

    async def finish_exchange(self) -> None:
        """End the exchange: the answer was sent, or will never be."""


class _Stage(Enum):
    """The progress of an answer."""

    AWAITED = auto()
    BEGUN = auto()
    ENDED = auto()


class Exchange:
    """Runs the application for one request.

    After `end` the application can send nothing more: its `send` raises PeerLost.
    """

    def __init__(
        self, writer: AnswerWriter, scope: HTTPScope, on_wait: Callable[[], Awaitable[None]]
    ) -> None:
        self._writer = writer
        self._scope = scope
        self._inbox = Inbox(on_wait)
        self._stage = _Stage.AWAITED
        self._status = 0
        self._has_peer_left = self._is_over = False

    async def run(self, app: ASGIFramework) -> None:
        """Call the application. Its errors are logged and answered, not raised."""
        try:
            await app(self._scope, self._inbox.receive, self._send)
        except* PeerLost:
            pass
        except* Exception as errors:
            metrics.connection_faults.labels("web").inc()
            # The query may hold a signature, so it is not logged.
            request_line = f"{self._scope['method']} {self._scope['path']}"
            limited(
                log,
                logging.ERROR,
                f"fault {request_line}",
                "a fault of the hub while answering %s",
                request_line,
                exc_info=errors,
            )
        self._inbox.close()
        if not self._is_over:
            with suppress(PeerLost):
                if self._stage is _Stage.AWAITED and not self._has_peer_left:
                    await self._writer.send_error(500)
                await self._writer.finish_exchange()

    async def take_body(self, data: bytes, *, more: bool) -> None:
        """Hand a part of the body to the application; waits while too much of it is unread."""
        if not self._is_over:
            await self._inbox.put(data, more=more)

    def peer_left(self) -> None:
        """Note that the peer sends no more. It may still wait for the answer (half-closed)."""
        self._has_peer_left = True
        self._inbox.disconnect()

    def end(self) -> None:
        """Stop the answer: the application can send no more."""
        self._is_over = True
        self._inbox.disconnect()

    async def _send(self, event: ASGISendEvent) -> None:
        """The `send` of ASGI."""
        if self._is_over:
            raise PeerLost
        if event["type"] == "http.response.start" and self._stage is _Stage.AWAITED:
            self._stage, self._status = _Stage.BEGUN, event["status"]
            headers = [(name, value) for name, value in event.get("headers", ())]
            await self._writer.send_head(self._status, headers)
        elif event["type"] == "http.response.body" and self._stage is _Stage.BEGUN:
            await self._send_body(event.get("body", b""), more=event.get("more_body", False))
        else:
            raise UnexpectedMessageError(self._stage, event["type"])

    async def _send_body(self, data: bytes, *, more: bool) -> None:
        if data and not suppress_body(self._scope["method"], self._status):
            await self._writer.send_body(data)
        if not more:
            await self._writer.send_end()
            self._stage = _Stage.ENDED
            await self._writer.finish_exchange()
