"""The bytes of all bodies in flight: who wants more than there is waits a while, or goes away."""

from __future__ import annotations

from collections import deque
from types import TracebackType

import trio

from hub import metrics
from hub.errors import CannotStoreNow

#: How long an upload waits for others to end.
WAIT_SECONDS = 10.0
#: How many wait: each of them has the first part of its body read already.
MOST_WAITING = 64
#: What a body of unknown length begins with.
FIRST_BYTES = 512 * 1024


class Budget:
    """At most `total` bytes of bodies. A larger body counts as all of them."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._queue: deque[_Waiter] = deque()

    @property
    def used(self) -> int:
        return self._used

    def share(self, length: int | None) -> Share:
        """A context that holds room for a body of `length`; None is not known yet.

        Entering it raises CannotStoreNow where there is no room within WAIT_SECONDS.
        """
        return Share(self, FIRST_BYTES if length is None else length)

    async def take(self, wanted: int, *, held: int) -> int:
        """Take room until `wanted` is held; gives what is held then.

        Who holds something goes before who holds nothing: it ends the sooner. Two that grow can
        stand in each other's way for WAIT_SECONDS, and no longer.
        """
        wanted = min(wanted, self._total)
        more = wanted - held
        if more <= 0:
            return held
        if self._queue or self._used + more > self._total:
            await self._wait_for(more, first=held > 0)
        else:
            self._add(more)
        return wanted

    def give_back(self, size: int) -> None:
        self._add(-size)
        while self._queue and self._used + self._queue[0].size <= self._total:
            waiter = self._queue.popleft()
            self._add(waiter.size)
            waiter.granted.set()

    async def _wait_for(self, size: int, *, first: bool) -> None:
        metrics.limits_reached.labels("upload_budget").inc()
        if len(self._queue) >= MOST_WAITING:
            raise CannotStoreNow("too many uploads at once")
        waiter = _Waiter(size)
        if first:
            self._queue.appendleft(waiter)
        else:
            self._queue.append(waiter)
        try:
            with trio.move_on_after(WAIT_SECONDS):
                await waiter.granted.wait()
        except trio.Cancelled:
            if waiter.granted.is_set():
                self.give_back(size)
            else:
                self._queue.remove(waiter)
            raise
        if not waiter.granted.is_set():
            self._queue.remove(waiter)
            self.give_back(0)  # Who stood behind may fit.
            raise CannotStoreNow("too many uploads at once")

    def _add(self, size: int) -> None:
        self._used += size
        metrics.uploads_in_flight.set(self._used)


class Share:
    """The room that one body holds, until its context ends."""

    def __init__(self, budget: Budget, length: int) -> None:
        self._budget = budget
        self._length = length
        self._held = 0

    async def __aenter__(self) -> Share:
        self._held = await self._budget.take(self._length, held=0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._budget.give_back(self._held)

    async def cover(self, received: int) -> None:
        """Hold room for all that was received: twice as much as it gets there in few steps."""
        if received > self._length:
            self._length = max(received, 2 * self._length)
            self._held = await self._budget.take(self._length, held=self._held)


class _Waiter:
    def __init__(self, size: int) -> None:
        self.size = size
        self.granted = trio.Event()
