"""A budget for the bytes of all bodies in flight.

A body for which there is no room waits, and is refused after WAIT_SECONDS.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from types import TracebackType

import trio

from hub import metrics
from hub.errors import CannotStoreNow
from hub.log import limited

log = logging.getLogger(__name__)

#: How long a body waits for room.
WAIT_SECONDS = 10.0
#: Bodies that wait at once; the first part of each is already in memory.
MAX_WAITING = 64
#: The initial room of a body of unknown length.
INITIAL_BYTES = 512 * 1024
#: One sender may use 1 / SENDER_DIVISOR of the budget, and of the places in the queue.
SENDER_DIVISOR = 4


class Budget:
    """Room for `total` bytes. A larger body takes all of it."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._by_sender: Counter[str] = Counter()
        self._queue: deque[_Waiter] = deque()

    def resize(self, total: int) -> None:
        """Change the total. Bodies keep the room that they have."""
        self._total = total
        self._grant()

    @property
    def used(self) -> int:
        return self._used

    def share(self, length: int | None, sender: str) -> Share:
        """A context that holds room for a body of `length` bytes; None: the length is unknown.

        Entering it raises CannotStoreNow if there is no room within WAIT_SECONDS, and at once if
        too many bodies are waiting.
        """
        return Share(self, INITIAL_BYTES if length is None else length, sender)

    async def take(self, wanted: int, *, held: int, sender: str) -> int:
        """Increase the room of a body from `held` to `wanted` bytes; return what it holds then.

        A body that already holds room goes first, since it ends sooner. Two bodies that grow may
        block each other, for WAIT_SECONDS at most. Raises CannotStoreNow.
        """
        wanted = min(wanted, self._total)
        if wanted <= held:
            return held
        waiter = _Waiter(sender, held, wanted)
        if self._queue or not self._has_room(waiter) or self._exceeds_sender_share(waiter):
            await self._wait(waiter)
        else:
            self._add(waiter.more, sender)
        return wanted

    def give_back(self, size: int, sender: str) -> None:
        self._add(-size, sender)
        self._grant()

    def _has_room(self, waiter: _Waiter) -> bool:
        return self._used + waiter.more <= self._total

    def _exceeds_sender_share(self, waiter: _Waiter) -> bool:
        """Whether it must wait for other bodies of its sender. A single body may have any size."""
        others = self._by_sender[waiter.sender] - waiter.held
        return others > 0 and others + waiter.wanted > self._total // SENDER_DIVISOR

    def _grant(self) -> None:
        """Grant room in order, skipping bodies that wait for others of their sender."""
        for waiter in tuple(self._queue):
            if self._exceeds_sender_share(waiter):
                continue
            if not self._has_room(waiter):
                break
            self._queue.remove(waiter)
            self._add(waiter.more, waiter.sender)
            waiter.granted.set()

    async def _wait(self, waiter: _Waiter) -> None:
        of_this_sender = sum(other.sender == waiter.sender for other in self._queue)
        if len(self._queue) >= MAX_WAITING or of_this_sender >= MAX_WAITING // SENDER_DIVISOR:
            raise self._refusal(waiter.sender)
        if waiter.held:
            self._queue.appendleft(waiter)
        else:
            self._queue.append(waiter)
        self._grant()
        try:
            with trio.move_on_after(WAIT_SECONDS):
                await waiter.granted.wait()
        except trio.Cancelled:
            if waiter.granted.is_set():
                self.give_back(waiter.more, waiter.sender)
            else:
                self._give_up(waiter)
            raise
        if not waiter.granted.is_set():
            self._give_up(waiter)
            raise self._refusal(waiter.sender)

    def _give_up(self, waiter: _Waiter) -> None:
        self._queue.remove(waiter)
        self._grant()

    def _refusal(self, sender: str) -> CannotStoreNow:
        metrics.limits_reached.labels("upload_budget").inc()
        limited(
            log,
            logging.WARNING,
            "upload budget",
            "refused an upload from %s: uploads of %d bytes are in flight, of at most %d",
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
    """A context that holds room for one body."""

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
        self.give_back()

    def give_back(self) -> None:
        self._budget.give_back(self._held, self._sender)

    async def cover(self, received: int) -> None:
        """Hold room for all bytes `received`. The room doubles, so that few steps are needed."""
        if received > self._length:
            self._length = max(received, 2 * self._length)
            self._held = await self._budget.take(self._length, held=self._held, sender=self._sender)


class _Waiter:
    """A body that waits for more room than it holds."""

    def __init__(self, sender: str, held: int, wanted: int) -> None:
        self.sender = sender
        self.held = held
        self.wanted = wanted
        self.more = wanted - held
        self.granted = trio.Event()
