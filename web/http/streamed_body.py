"""A body of any length, read part by part, with a time limit on its progress."""

from __future__ import annotations

import trio
from hypercorn.typing import ASGIReceiveCallable, HTTPScope

from web.http.bodies import PeerLeft, TooSlow, check_size, count_limit
from web.http.http_heads import body_length

#: This much of a body must arrive ...
STEP_BYTES = 256 * 1024
#: ... within this time.
STEP_SECONDS = 30.0


class StreamedBody:
    """A body of at most `max_bytes`.

    The time between two calls of `next`, while the reader stores a part, does not count.
    """

    def __init__(self, receive: ASGIReceiveCallable, scope: HTTPScope, max_bytes: int) -> None:
        self._receive = receive
        self._scope = scope
        self._max_bytes = max_bytes
        self._length = body_length(scope["headers"]) or 0
        self._received = 0
        self._has_more = True
        self._step_bytes = 0
        self._seconds_left = STEP_SECONDS

    @property
    def bytes_left(self) -> int:
        """The announced bytes that have not arrived; 0 if no length was announced."""
        return max(0, self._length - self._received)

    async def next(self) -> bytes:
        """The next bytes, b"" at the end. Raises TooLarge, TooSlow, PeerLeft."""
        check_size(self._length, self._max_bytes, self._scope)
        part = b""
        while self._has_more and not part:
            part = await self._next_part()
        self._received += len(part)
        check_size(self._received, self._max_bytes, self._scope)
        return part

    async def drop(self) -> None:
        """Read and drop the rest: browsers read the answer only once they have sent everything.

        Raises what `next` raises.
        """
        while await self.next():
            pass

    async def _next_part(self) -> bytes:
        started = trio.current_time()
        with trio.move_on_after(self._seconds_left) as time_limit:
            event = await self._receive()
        if time_limit.cancelled_caught:
            error = TooSlow(f"body: less than {STEP_BYTES} bytes came within {STEP_SECONDS:g} s")
            raise count_limit(error, self._scope)
        if event["type"] != "http.request":
            raise PeerLeft
        self._has_more = event["more_body"]
        self._count_progress(len(event["body"]), trio.current_time() - started)
        return event["body"]

    def _count_progress(self, size: int, seconds: float) -> None:
        self._step_bytes += size
        self._seconds_left -= seconds
        if self._step_bytes >= STEP_BYTES:
            self._step_bytes = 0
            self._seconds_left = STEP_SECONDS
