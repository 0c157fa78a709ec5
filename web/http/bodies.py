"""Reading whole bodies of requests, limited in size, time and memory."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType

import trio
from hypercorn.typing import ASGIReceiveCallable, HTTPScope

from hub import metrics
from hub.config import WebConfig
from hub.errors import BadParameter, HubError, TooLarge
from hub.log import limited
from hub.net.networks import network_of
from hub.threads import WorkerThreads
from web.http.budget import BodyBudget, BodySender, BodyShare
from web.http.connection import WHOLE_BODY
from web.http.http_heads import body_length

log = logging.getLogger(__name__)

#: For bodies other than uploads, which thousands of visitors may send at once before they sign in.
#: The longest that is needed is a key in PEM.
MAX_SHORT_BODY_BYTES = 64 * 1024

#: Each part is an object; millions of tiny ones would fill the memory. After so many, parts are
#: gathered up to this size.
_MAX_PARTS = 64
_GATHERED_BYTES = 64 * 1024
#: A longer body is joined in a thread: 16 MB take 10 ms, or 50 ms on a busy machine. For a shorter
#: one Python keeps the interpreter's lock.
_INLINE_BYTES = 1024 * 1024


class TooSlow(BadParameter):
    """The body did not arrive in time."""

    device_status = 408
    status = 408


#: The label of the metric that counts how often a limit was reached.
_LIMITS: dict[type[HubError], str] = {TooLarge: "body", TooSlow: "body_seconds"}


class PeerLeft(Exception):
    """The client hung up: the body will never be complete, and no answer is needed."""


class Bodies:
    """All bodies in flight: each limited in size and time, all together within a budget."""

    def __init__(self, config: WebConfig) -> None:
        self._max_bytes = config.max_body_mb * 1024 * 1024
        self._seconds = config.body_seconds
        self._budget = BodyBudget(config.upload_budget_mb * 1024 * 1024)
        self._threads = WorkerThreads(inline_bytes=_INLINE_BYTES)

    def configure(self, config: WebConfig) -> None:
        """Take over new limits, for bodies that begin from now on."""
        self._max_bytes = config.max_body_mb * 1024 * 1024
        self._seconds = config.body_seconds
        self._budget.resize(config.upload_budget_mb * 1024 * 1024)

    def body(
        self,
        scope: HTTPScope,
        receive: ASGIReceiveCallable,
        sender: BodySender,
        *,
        free_bytes: int = 0,
        max_bytes: int | None = None,
    ) -> Body:
        """A context manager that reads the whole body, which counts in the budget until the exit.

        The budget is shared out by `sender`. A body that announces at most `free_bytes` does not
        count. `max_bytes` lowers the limit of the settings.

        Raises TooLarge; entering the context raises TooLarge, TooSlow, CannotStoreNow or PeerLeft.
        """
        max_bytes = self._max_bytes if max_bytes is None else min(max_bytes, self._max_bytes)
        length = body_length(scope["headers"])
        check_size(length or 0, max_bytes, scope)
        is_free = length is not None and length <= free_bytes
        is_whole = WHOLE_BODY in scope.get("extensions", ())
        share = None
        if not is_free:
            share = self._budget.share(length, sender, has_arrived=is_whole)
        if is_whole:
            return Body(partial(self._read_whole, receive), share)
        return Body(partial(self._read, scope, receive, share, max_bytes), share)

    async def _read_whole(self, receive: ASGIReceiveCallable) -> bytes:
        body, _ = await _next_part(receive)
        metrics.upload_bytes.inc(len(body))
        return body

    async def _read(
        self,
        scope: HTTPScope,
        receive: ASGIReceiveCallable,
        share: BodyShare | None,
        max_bytes: int,
    ) -> bytes:
        parts: list[bytes] = []
        gathered = bytearray()
        received = 0
        more = True
        # A bare CancelScope has half the cost of move_on_after().
        with trio.CancelScope(relative_deadline=self._seconds) as deadline:
            if share is not None:
                share.on_lost = deadline.cancel
            while more:
                part, more = await _next_part(receive)
                received += len(part)
                check_size(received, max_bytes, scope)
                if share is not None:
                    await share.cover(received)
                if part and len(parts) < _MAX_PARTS:
                    parts.append(part)
                    continue
                gathered += part
                if len(gathered) >= _GATHERED_BYTES:
                    parts.append(bytes(gathered))
                    gathered.clear()
        if share is not None:
            share.arrived()
            if share.is_lost:
                raise self._budget.refuse_stalled(share.sender)
        if deadline.cancelled_caught:
            error = TooSlow(f"body: not complete within {self._seconds:g} s")
            raise count_limit(error, scope)
        metrics.upload_bytes.inc(received)
        if gathered:
            parts.append(bytes(gathered))
        if len(parts) == 1:
            return parts[0]
        # Joining bytes, and nothing else, releases the interpreter's lock.
        return await self._threads.run(received, partial(b"".join, parts))


class Body:
    """One body and its share of the budget."""

    def __init__(self, read: Callable[[], Awaitable[bytes]], share: BodyShare | None) -> None:
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


def count_limit(error: HubError, scope: HTTPScope) -> HubError:
    """Count and log that the body of a request exceeded a limit; returns `error` to be raised."""
    limit = _LIMITS[type(error)]
    metrics.limits_reached.labels(limit).inc()
    client = scope.get("client")
    address = client[0] if client else ""
    limited(
        log,
        logging.WARNING,
        f"{limit} {network_of(address)}",
        "refused an upload from %s: %s",
        address,
        error.message,
    )
    return error


def check_size(size: int, max_bytes: int, scope: HTTPScope) -> None:
    """Check that a body of `size` bytes has at most `max_bytes`. Raises TooLarge."""
    if size > max_bytes:
        raise count_limit(TooLarge(f"body: longer than {max_bytes} bytes"), scope)


async def _next_part(receive: ASGIReceiveCallable) -> tuple[bytes, bool]:
    """The next part of the body, and whether more of it follows. Raises PeerLeft."""
    event = await receive()
    if event["type"] != "http.request":
        raise PeerLeft
    return event["body"], event["more_body"]
