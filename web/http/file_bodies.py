"""Bodies that go to the disk: never held, of any length, and timed by how they get on."""

from __future__ import annotations

import trio
from hypercorn.typing import ASGIReceiveCallable

from hub.errors import TooLarge
from web.http.bodies import PeerLeft, TooSlow

#: A sender has to get this much further ...
STEP_BYTES = 256 * 1024
#: ... in this time.
STEP_SECONDS = 30.0


class FileBody:
    """A body of at most `most` bytes, part by part. What its reader takes its time for is free.

    `length`: of all of it, as its sender told it, if so.
    """

    def __init__(self, receive: ASGIReceiveCallable, most: int, length: int | None = None) -> None:
        self._receive = receive
        self._most = most
        self._length = length or 0
        self._received = 0
        self._more = True
        self._came = 0
        self._seconds_left = STEP_SECONDS

    @property
    def left(self) -> int:
        """How much is to come, as far as known."""
        return max(0, self._length - self._received)

    async def next(self) -> bytes:
        """The next bytes, b"" at the end. Raises TooLarge, TooSlow, PeerLeft."""
        self._check(self._length)
        part = b""
        while self._more and not part:
            part = await self._wait()
        self._received += len(part)
        self._check(self._received)
        return part

    async def drop(self) -> None:
        """Read the rest for nothing: a browser reads no answer before it has sent all.

        Raises as `next` does.
        """
        while await self.next():
            pass

    def _check(self, size: int) -> None:
        if size > self._most:
            raise TooLarge(f"body: longer than {self._most} bytes")

    async def _wait(self) -> bytes:
        began = trio.current_time()
        with trio.move_on_after(self._seconds_left) as patience:
            message = await self._receive()
        if patience.cancelled_caught:
            raise TooSlow(f"body: less than {STEP_BYTES} bytes came within {STEP_SECONDS:g} s")
        if message["type"] != "http.request":
            raise PeerLeft
        self._more = message["more_body"]
        self._count(len(message["body"]), trio.current_time() - began)
        return message["body"]

    def _count(self, size: int, seconds: float) -> None:
        self._came += size
        self._seconds_left -= seconds
        if self._came >= STEP_BYTES:
            self._came = 0
            self._seconds_left = STEP_SECONDS
