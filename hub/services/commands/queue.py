"""Command queues: how many commands a device handles at a time (D4), and which goes next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import trio

from hub import metrics
from hub.errors import DeviceBusy

#: D4: a device handles one command with a photo at a time, and up to 4 light ones. Reading a
#: picture from it (D3) counts as one with a photo.
PHOTO_SLOTS = 1
LIGHT_SLOTS = 4
#: Callers that find this many waiting get DeviceBusy, as do those that have waited too long.
#: The wait must stay below the time for which the edges shield a change.
MAX_WAITING = 64
MAX_WAIT_SECONDS = 25.0
#: How many commands in a row may overtake one that gives way.
MAX_OVERTAKES = 4


class CommandQueue:
    """A first-in, first-out semaphore with a bounded queue and a second, lower priority.

    Each slot that was acquired is released once. Only `acquire` waits.
    """

    __slots__ = ("_free", "_giving_way", "_overtakes", "_slots", "_waiting")

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._free = slots
        self._waiting: deque[trio.Event] = deque()
        self._giving_way: deque[trio.Event] = deque()
        #: How many have overtaken the first of `_giving_way`.
        self._overtakes = 0

    @property
    def is_idle(self) -> bool:
        return self._free == self._slots

    def acquire_nowait(self) -> bool:
        """Take a slot if one is free, as is usual; return whether one was."""
        # No caller waits while a slot is free: `release` hands slots on.
        if not self._free:
            return False
        self._free -= 1
        return True

    async def acquire(self, *, gives_way: bool = False) -> None:
        """Wait for a slot, and take it.

        With `gives_way`, up to MAX_OVERTAKES callers without it overtake this one. Raises
        DeviceBusy if MAX_WAITING callers wait already, or no slot comes free within
        MAX_WAIT_SECONDS. A caller that is cancelled holds no slot and no place in the queue.
        """
        queue = self._giving_way if gives_way else self._waiting
        if len(queue) >= MAX_WAITING:
            metrics.limits_reached.labels("commands of a device").inc()
            raise DeviceBusy(f"{MAX_WAITING} commands wait for this device already")
        acquired = trio.Event()
        queue.append(acquired)
        try:
            with trio.move_on_after(MAX_WAIT_SECONDS):
                await acquired.wait()
        except trio.Cancelled:
            if acquired.is_set():  # Just when the caller was cancelled.
                self.release()
            else:
                queue.remove(acquired)
            raise
        if not acquired.is_set():
            queue.remove(acquired)
            raise DeviceBusy(f"the device was busy with other commands for {MAX_WAIT_SECONDS:g} s")

    def release(self) -> None:
        """Return a slot, or hand it to the next caller that waits."""
        is_due = not self._waiting or self._overtakes >= MAX_OVERTAKES
        if self._giving_way and is_due:
            self._overtakes = 0
            self._giving_way.popleft().set()
        elif self._waiting:
            self._overtakes = self._overtakes + 1 if self._giving_way else 0
            self._waiting.popleft().set()
        else:
            self._free += 1


class CommandQueues:
    """The queues of all devices: one for photos and one for light commands each, while in use."""

    def __init__(self) -> None:
        self._queues: dict[tuple[str, bool], CommandQueue] = {}

    def __len__(self) -> int:
        return len(self._queues)

    async def acquire(
        self, did: str, *, has_photo: bool, gives_way: bool = False
    ) -> Callable[[], None]:
        """Take a slot of the device, as CommandQueue.acquire() does; return its release function.

        Executes no checkpoint if a slot is free.
        """
        key = (did, has_photo)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = CommandQueue(PHOTO_SLOTS if has_photo else LIGHT_SLOTS)
        if not queue.acquire_nowait():
            try:
                await queue.acquire(gives_way=gives_way)
            finally:
                self._drop_if_idle(key)
        return partial(self._release, key)

    def _release(self, key: tuple[str, bool]) -> None:
        self._queues[key].release()
        self._drop_if_idle(key)

    def _drop_if_idle(self, key: tuple[str, bool]) -> None:
        if self._queues[key].is_idle:
            del self._queues[key]
