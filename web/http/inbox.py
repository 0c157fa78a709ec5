"""What the application receives of one request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from hypercorn.typing import ASGIReceiveEvent

from web.http.protocol import BodyPart

#: Reads the next part of a body from the connection; None: nothing more will come.
NextPart = Callable[[], Awaitable[BodyPart | None]]


class Inbox:
    """Delivers the body, then http.disconnect for ever.

    `body`: all of it; None: it is read by `next_part` when the application asks for it.
    """

    def __init__(self, body: bytes | None, next_part: NextPart) -> None:
        self._body = body
        self._next_part = next_part
        self._has_more = True
        self._is_disconnected = False
        self._disconnected = trio.lowlevel.ParkingLot()

    def disconnect(self) -> None:
        """Deliver http.disconnect after a body that is there: nothing more is read."""
        self._is_disconnected = True
        # This check costs a tenth of unpark_all().
        if self._disconnected:
            self._disconnected.unpark_all()

    async def receive(self) -> ASGIReceiveEvent:
        """The `receive` of ASGI."""
        part: BodyPart | None = None
        if self._body is not None:
            part, self._body = BodyPart(self._body, more=False), None
        elif self._has_more and not self._is_disconnected:
            part = await self._next_part()
        if part is not None:
            self._has_more = part.more
            return {"type": "http.request", "body": part.data, "more_body": part.more}
        while not self._is_disconnected:
            await self._disconnected.park()
        return {"type": "http.disconnect"}
