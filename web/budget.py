"""The bytes of all bodies in flight: who wants more than there is waits a while, or goes away."""

from __future__ import annotations

import logging
from collections import Counter, deque
from types import TracebackType

import trio

from hub import metrics
from hub.errors import CannotStoreNow
from hub.log import limited

log = logging.getLogger(__name__)

#: How long an upload waits for others to end.
WAIT_SECONDS = 10.0
#: How many wait: each of them has the first part of its body read already.
MOST_WAITING = 64
#: What a body of unknown length begins with.
FIRST_BYTES = 512 * 1024
#: The part of the budget that one sender may hold: slow bodies of one leave room for the others.
MOST_OF_ONE = 4


class Budget:
    """At most `total` bytes of bodies. A larger body counts as all of them."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._by_sender: Counter[str] = Counter()
        self._queue: deque[_Waiter] = deque()

    @property
    def used(self) -> int:
        return self._used

    def share(self, length: int | None, sender: str) -> Share:
        """A context that holds room for a body of `length`; None is not known yet.

        Entering it raises CannotStoreNow where there is no room within WAIT_SECONDS, and at once
        where the sender holds its part already.
        """
        return Share(self, FIRST_BYTES if length is None else length, sender)

    async def take(self, wanted: int, *, held: int, sender: str) -> int:
        """Take room until `wanted` is held; gives what is held then.

        Who holds something goes before who holds nothing: it ends the sooner. Two that grow can
        stand in each other's way for WAIT_SECONDS, and no longer.
        """
        wanted = min(wanted, self._total)
        more = wanted - held
        if more <= 0:
            return held
        others = self._by_sender[sender] - held
        if others and others + wanted > self._total // MOST_OF_ONE:
            raise self._refusal(sender)
        if self._queue or self._used + more > self._total:
            await self._wait_for(more, sender, first=held > 0)
        else:
            self._add(more, sender)
        return wanted

    def give_back(self, size: int, sender: str) -> None:
        self._add(-size, sender)
        self._let_in()

    def _let_in(self) -> None:
        while self._queue and self._used + self._queue[0].size <= self._total:
            waiter = self._queue.popleft()
            self._add(waiter.size, waiter.sender)
            waiter.granted.set()

    async def _wait_for(self, size: int, sender: str, *, first: bool) -> None:
        if len(self._queue) >= MOST_WAITING:
            raise self._refusal(sender)
        waiter = _Waiter(size, sender)
        if first:
            self._queue.appendleft(waiter)
        else:
            self._queue.append(waiter)
        try:
            with trio.move_on_after(WAIT_SECONDS):
                await waiter.granted.wait()
        except trio.Cancelled:
            if waiter.granted.is_set():
                self.give_back(size, sender)
            else:
                self._queue.remove(waiter)
            raise
        if not waiter.granted.is_set():
            self._queue.remove(waiter)
            self._let_in()
            raise self._refusal(sender)

    def _refusal(self, sender: str) -> CannotStoreNow:
        metrics.limits_reached.labels("upload_budget").inc()
        limited(
            log,
            logging.WARNING,
            "upload budget",
            "refused an upload of %s: %d bytes of uploads are in flight, at most %d are allowed",
            sender,
            self._used,
            self._total,
        )
        return CannotStoreNow("too many uploads at once")

    def _add(self, size: int, sender: str) -> None:
        self._used += size
        self._by_sender[sender] += size
        if not self._by_sender[sender]:
            del self._by_sender[sender]
        metrics.uploads_in_flight.set(self._used)


class Share:
    """The room that one body holds, until its context ends."""

    def __init__(self, budget: Budget, length: int, sender: str) -> None:
        self._budget = budget
        self._length = length
        self._sender = sender
        self._held = 0

    async def __aenter__(self) -> Share:
        self._held = await self._budget.take(self._length, held=0, sender=self._sender)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._budget.give_back(self._held, self._sender)

    async def cover(self, received: int) -> None:
        """Hold room for all that was received: twice as much as it gets there in few steps."""
        if received > self._length:
            self._length = max(received, 2 * self._length)
            self._held = await self._budget.take(self._length, held=self._held, sender=self._sender)


class _Waiter:
    def __init__(self, size: int, sender: str) -> None:
        self.size = size
        self.sender = sender
        self.granted = trio.Event()
