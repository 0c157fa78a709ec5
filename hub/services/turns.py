"""Whose turn it is at a device: what it handles at a time (D4), and who waits for it, in order."""

from __future__ import annotations

from collections import deque

import trio

from hub import metrics
from hub.errors import DeviceBusy

#: Whoever comes when so many wait is told that the device is busy, as is who waited for so long.
#: What begins meanwhile is carried through (hub.services.carrythrough), which is bounded too.
MOST_WAITING = 64
WAIT_SECONDS = 25.0


class Turns:
    """So many at a time; the others wait in the order in which they came.

    Each turn that was taken is ended once, by `end`. All but `wait` is synchronous.
    """

    __slots__ = ("_free", "_places", "_waiting")

    def __init__(self, places: int) -> None:
        self._places = places
        self._free = places
        self._waiting: deque[trio.Event] = deque()

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

    async def wait(self) -> None:
        """Wait for a turn, and take it. Raises DeviceBusy. Cancelled: out of the queue again."""
        if len(self._waiting) >= MOST_WAITING:
            metrics.limits_reached.labels("commands of a device").inc()
            raise DeviceBusy(f"{MOST_WAITING} commands wait for this device already")
        turn = trio.Event()
        self._waiting.append(turn)
        try:
            with trio.move_on_after(WAIT_SECONDS):
                await turn.wait()
        except trio.Cancelled:
            self._stand_down(turn)
            raise
        if not turn.is_set():
            self._waiting.remove(turn)
            raise DeviceBusy(f"the device was busy with other commands for {WAIT_SECONDS:g} s")

    def end(self) -> None:
        """One turn is over: it is the next one's."""
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._free += 1

    def _stand_down(self, turn: trio.Event) -> None:
        if turn.is_set():  # It came at the very moment.
            self.end()
        else:
            self._waiting.remove(turn)
