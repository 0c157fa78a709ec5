"""The queue from which the application receives the events of one request."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import trio
from hypercorn.typing import ASGIReceiveEvent

#: The unread bytes of a body beyond which `put` waits.
_MAX_WAITING_BYTES = 256 * 1024
#: Added for each event, so that the number of small ones is limited as well.
_EVENT_BYTES = 512


class Inbox:
    """Delivers the parts of the body, then http.disconnect for ever. Unread parts are bounded.

    `on_wait` is called when the application has to wait for an event.
    """

    def __init__(self, on_wait: Callable[[], Awaitable[None]]) -> None:
        self._on_wait = on_wait
        self._events: deque[ASGIReceiveEvent] = deque()
        self._waiting_bytes = 0
        self._is_disconnected = self._is_closed = False
        self._has_event = trio.lowlevel.ParkingLot()
        self._has_room = trio.lowlevel.ParkingLot()

    async def put(self, data: bytes, *, more: bool) -> None:
        """Queue a part of the body; waits while too much is unread."""
        if self._is_closed:
            return
        self._events.append({"type": "http.request", "body": data, "more_body": more})
        self._waiting_bytes += len(data) + _EVENT_BYTES
        _wake(self._has_event)
        while self._waiting_bytes > _MAX_WAITING_BYTES and not self._is_disconnected:
            await self._has_room.park()

    def disconnect(self) -> None:
        """Deliver http.disconnect after the parts that are queued: the peer sends no more."""
        self._is_disconnected = True
        _wake(self._has_event)
        _wake(self._has_room)

    def close(self) -> None:
        """Drop all queued and later parts: the application receives no more."""
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
    # This check costs a tenth of unpark_all().
    if lot:
        lot.unpark_all()
