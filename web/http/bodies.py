"""Bodies of requests as a plain ASGI application takes them: of bounded length, time and memory."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType

import trio
from hypercorn.typing import ASGIReceiveCallable, HTTPScope

from hub import metrics
from hub.config import Web
from hub.errors import BadParameter, HubError, TooLarge
from hub.log import limited
from web.http.budget import Budget, Share
from web.http.http1 import WHOLE_BODY

log = logging.getLogger(__name__)

_MOST_PARTS = 64


class TooSlow(BadParameter):
    """The body did not come in time."""

    device_status = 408
    status = 408


#: Which limit it was that a sender reached.
_LIMITS: dict[type[HubError], str] = {TooLarge: "body", TooSlow: "body_seconds"}


class PeerLeft(Exception):
    """The body will never be complete, and nobody waits for an answer."""


class Bodies:
    """All bodies in flight: each of at most so many bytes and seconds, together within a budget."""

    def __init__(self, config: Web) -> None:
        self._most_bytes = config.max_body_mb * 1024 * 1024
        self._seconds = config.body_seconds
        self._budget = Budget(config.upload_budget_mb * 1024 * 1024)

    def body(
        self,
        scope: HTTPScope,
        receive: ASGIReceiveCallable,
        sender: str,
        *,
        free: int = 0,
        most: int | None = None,
    ) -> Body:
        """A context that gives the whole body, which counts in the budget until it ends.

        One that says that it has at most `free` bytes does not count, and beyond `most` it is
        refused, or earlier where none may be as long. Raises TooLarge, and entering it raises
        TooLarge, TooSlow, CannotStoreNow, or PeerLeft.
        """
        most = self._most_bytes if most is None else min(most, self._most_bytes)
        length = _length(scope, most)
        is_free = length is not None and length <= free
        share = None if is_free else self._budget.share(length, sender)
        if WHOLE_BODY in scope.get("extensions", ()):
            return Body(partial(self._read_whole, receive), share)
        return Body(partial(self._read, receive, share, most), share)

    async def _read_whole(self, receive: ASGIReceiveCallable) -> bytes:
        body, _ = await _part(receive)
        metrics.upload_bytes.inc(len(body))
        return body

    async def _read(self, receive: ASGIReceiveCallable, share: Share | None, most: int) -> bytes:
        parts: list[bytes | bytearray] = []
        further = bytearray()
        received = 0
        more = True
        # At half the cost of move_on_after().
        with trio.CancelScope(relative_deadline=self._seconds) as deadline:
            while more:
                part, more = await _part(receive)
                received += len(part)
                _check_length(received, most)
                if share is not None:
                    await share.cover(received)
                if part and len(parts) < _MOST_PARTS:
                    parts.append(part)
                else:
                    # Each part is an object: a body of millions of them would be a flood.
                    further += part
        if deadline.cancelled_caught:
            raise TooSlow(f"body: not complete within {self._seconds:g} s")
        metrics.upload_bytes.inc(received)
        if further:
            parts.append(further)
        # A single one is not copied.
        return b"".join(parts)


class Body:
    """One body and its share of the budget."""

    def __init__(self, read: Callable[[], Awaitable[bytes]], share: Share | None) -> None:
        self._read = read
        self._share = share

    async def __aenter__(self) -> bytes:
        if self._share is None:
            return await self._read()
        await self._share.__aenter__()
        try:
            return await self._read()
        except BaseException:
            self._share.give_back()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._share is not None:
            self._share.give_back()


def tell_of_limit(error: HubError, address: str) -> None:
    """Log and count it where `error` is that a body has reached a limit."""
    if (limit := _LIMITS.get(type(error))) is None:
        return
    metrics.limits_reached.labels(limit).inc()
    limited(
        log,
        logging.WARNING,
        f"{limit} {address}",
        "refused an upload from %s: %s",
        address,
        error.message,
    )


def _length(scope: HTTPScope, most: int) -> int | None:
    """The length of the body where it is told; it was seen to be a number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            _check_length(int(value), most)
            return int(value)
        if name == b"transfer-encoding":
            return None
    return 0


def _check_length(length: int, most: int) -> None:
    if length > most:
        raise TooLarge(f"body: longer than {most} bytes")


async def _part(receive: ASGIReceiveCallable) -> tuple[bytes, bool]:
    """The next part of the body, and whether more of it follows."""
    message = await receive()
    if message["type"] != "http.request":
        raise PeerLeft
    return message["body"], message["more_body"]
