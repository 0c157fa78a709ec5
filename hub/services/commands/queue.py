"""Whose turn it is at a device: what it handles at a time (D4), and who waits for it, in order."""

from __future__ import annotations

from collections import deque

import trio

from hub import metrics
from hub.errors import DeviceBusy

#: Whoever comes when so many of a kind wait is told that the device is busy, as is who waited for
#: so long. What begins meanwhile is carried through (hub.services.shielding), which is bounded
#: too.
MOST_WAITING = 64
WAIT_SECONDS = 25.0
#: So many in a row go before one that gives way.
MOST_BEFORE = 4


class CommandQueue:
    """So many at a time; the others wait in the order in which they came, those that give way
    behind those that do not.

    Each turn that was taken is ended once, by `end`. All but `wait` is synchronous.
    """

    __slots__ = ("_before", "_free", "_giving_way", "_places", "_waiting")

    def __init__(self, places: int) -> None:
        self._places = places
        self._free = places
        self._waiting: deque[trio.Event] = deque()
        self._giving_way: deque[trio.Event] = deque()
        #: How many went before the one that gives way and is next.
        self._before = 0

    @property
    def is_idle(self) -> bool:
        return self._free == self._places

    def take_nowait(self) -> bool:
        """Whether there was a turn at once, as there nearly always is."""
        # Nobody waits while a place is free: `end` hands it on.
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self, *, gives_way: bool = False) -> None:
        """Wait for a turn, and take it. Raises DeviceBusy. Cancelled: out of the queue again."""
        queue = self._giving_way if gives_way else self._waiting
        if len(queue) >= MOST_WAITING:
            metrics.limits_reached.labels("commands of a device").inc()
            raise DeviceBusy(f"{MOST_WAITING} commands wait for this device already")
        turn = trio.Event()
        queue.append(turn)
        try:
            with trio.move_on_after(WAIT_SECONDS):
                await turn.wait()
        except trio.Cancelled:
            self._stand_down(turn, queue)
            raise
        if not turn.is_set():
            queue.remove(turn)
            raise DeviceBusy(f"the device was busy with other commands for {WAIT_SECONDS:g} s")

    def end(self) -> None:
        """One turn is over: it is the next one's."""
        is_due = not self._waiting or self._before >= MOST_BEFORE
        if self._giving_way and is_due:
            self._before = 0
            self._giving_way.popleft().set()
        elif self._waiting:
            self._before = self._before + 1 if self._giving_way else 0
            self._waiting.popleft().set()
        else:
            self._free += 1

    def _stand_down(self, turn: trio.Event, queue: deque[trio.Event]) -> None:
        if turn.is_set():  # It came at the very moment.
            self.end()
        else:
            queue.remove(turn)
