"""The events that an application receives of one request."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import trio
from hypercorn.typing import ASGIReceiveEvent

#: How much of a body may wait for the application, beyond the event that exceeds it.
_MAX_WAITING_BYTES = 256 * 1024
#: Added for each event, so that few wait however small they are.
_EVENT_BYTES = 512


class Inbox:
    """Parts of the body, then http.disconnect for ever. The body waits in a bounded window.

    `on_wait` is called when the application waits for an event and none is there.
    """

    def __init__(self, on_wait: Callable[[], Awaitable[None]]) -> None:
        self._on_wait = on_wait
        self._events: deque[ASGIReceiveEvent] = deque()
        self._waiting_bytes = 0
        self._is_disconnected = self._is_closed = False
        self._has_event = trio.lowlevel.ParkingLot()
        self._has_room = trio.lowlevel.ParkingLot()

    async def put(self, data: bytes, *, more: bool) -> None:
        """Hand over a part of the body; waits while the window is full."""
        if self._is_closed:
            return
        self._events.append({"type": "http.request", "body": data, "more_body": more})
        self._waiting_bytes += len(data) + _EVENT_BYTES
        _wake(self._has_event)
        while self._waiting_bytes > _MAX_WAITING_BYTES and not self._is_disconnected:
            await self._has_room.park()

    def disconnect(self) -> None:
        """Nothing more comes of the peer."""
        self._is_disconnected = True
        _wake(self._has_event)
        _wake(self._has_room)

    def close(self) -> None:
        """The application receives no more: drop what waits and what still comes."""
        self._is_closed = True
        self._events.clear()
        self._waiting_bytes = 0
        _wake(self._has_room)

    async def receive(self) -> ASGIReceiveEvent:
        """The `receive` of ASGI."""
        if not self._events and not self._is_disconnected:
            await self._on_wait()
        while not self._events and not self._is_disconnected:
            await self._has_event.park()
        if not self._events:
            return {"type": "http.disconnect"}
        event = self._events.popleft()
        if event["type"] == "http.request":
            self._waiting_bytes -= len(event["body"]) + _EVENT_BYTES
        _wake(self._has_room)
        return event


def _wake(lot: trio.lowlevel.ParkingLot) -> None:
    # To ask whether anybody waits costs a tenth of unpark_all().
    if lot:
        lot.unpark_all()
