"""A budget for the bytes of all bodies in flight.

A body takes room as its bytes arrive, not by the length that it announces. If there is no room it
waits, and is refused after WAIT_SECONDS. While bodies wait, those that hold room and have stopped
arriving lose it. A sender has a part of the budget, and the same part of the places in the queue.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable
from types import TracebackType
from typing import Literal, NamedTuple

import trio

from hub import metrics
from hub.errors import CannotStoreNow
from hub.log import limited
from hub.net.byte_budget import SENDER_DIVISOR

log = logging.getLogger(__name__)

#: How long a body waits for room.
WAIT_SECONDS = 10.0
#: Bodies that wait at once; the first part of each is already in memory.
MAX_WAITING = 64
#: The room of a body whose first bytes have arrived, unless it is shorter: thousands of slow ones
#: must not fill the budget with what never comes.
INITIAL_BYTES = 4 * 1024
#: While others wait, at least STALL_BYTES of a body must arrive ...
STALL_BYTES = 32 * 1024
#: ... within this time.
STALL_SECONDS = 2.0
_CHECK_SECONDS = 0.25


class BodySender(NamedTuple):
    """Who sends a body. The kind tells a device from a user or an address of the same name."""

    kind: Literal["device", "user", "key", "address"]
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class BodyBudget:
    """Room for `total` bytes. A larger body takes all of it."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._by_sender: Counter[BodySender] = Counter()
        self._queue: deque[_Waiter] = deque()
        #: The bodies that are arriving and hold room.
        self._arriving: dict[BodyShare, None] = {}

    def resize(self, total: int) -> None:
        """Change the total. Bodies keep the room that they have."""
        self._total = total
        self._grant()

    @property
    def used(self) -> int:
        return self._used

    def share(
        self, length: int | None, sender: BodySender, *, has_arrived: bool = False
    ) -> BodyShare:
        """A context that holds room for a body of `length` bytes; None: the length is unknown.

        With `has_arrived`, entering it takes all of the room.
        """
        return BodyShare(self, length, sender, has_arrived=has_arrived)

    async def take(self, wanted: int, *, held: int, sender: BodySender) -> int:
        """Increase the room of a body from `held` to `wanted` bytes; return what it holds then.

        A body that already holds room goes first, since it ends sooner. Two bodies that grow may
        block each other, for WAIT_SECONDS at most. Raises CannotStoreNow if there is no room within
        WAIT_SECONDS, and at once if too many bodies are waiting.
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

    def give_back(self, size: int, sender: BodySender) -> None:
        self._add(-size, sender)
        self._grant()

    def watch(self, share: BodyShare, *, is_over: bool = False) -> None:
        """Note that a body is arriving, or that it is not any more."""
        if is_over:
            self._arriving.pop(share, None)
        else:
            self._arriving[share] = None

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
                while not waiter.granted.is_set():
                    self._take_from_stalled(waiter)
                    with trio.move_on_after(_CHECK_SECONDS):
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

    def _take_from_stalled(self, waiter: _Waiter) -> None:
        """Let bodies that have stopped arriving lose their room, if it is needed for this one."""
        stalled_at = trio.current_time() - STALL_SECONDS
        stalled = [one for one in self._arriving if one.is_stalled_since(stalled_at)]
        for share in sorted(stalled, key=lambda one: one.progress_at):
            if self._exceeds_sender_share(waiter):
                if share.sender == waiter.sender:
                    share.lose()
            elif self._has_room(waiter):
                break
            else:
                share.lose()

    def refuse_stalled(self, sender: BodySender) -> CannotStoreNow:
        """The error for a body that has lost its room."""
        return self._refusal(sender)

    def _give_up(self, waiter: _Waiter) -> None:
        self._queue.remove(waiter)
        self._grant()

    def _refusal(self, sender: BodySender) -> CannotStoreNow:
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

    def _add(self, size: int, sender: BodySender) -> None:
        self._used += size
        self._by_sender[sender] += size
        if not self._by_sender[sender]:
            del self._by_sender[sender]
        metrics.uploads_in_flight.set(self._used)


class BodyShare:
    """A context that holds room for the bytes of one body that have arrived."""

    def __init__(
        self, budget: BodyBudget, length: int | None, sender: BodySender, *, has_arrived: bool
    ) -> None:
        self._budget = budget
        self._length = length
        self._has_arrived = has_arrived
        self.sender = sender
        self._held = 0
        self._is_waiting = False
        #: The bytes that had arrived at `progress_at`.
        self._progress_bytes = 0
        self.progress_at = 0.0
        self.is_lost = False
        #: Called when the room is lost: reading the body must end.
        self.on_lost: Callable[[], None] = lambda: None

    async def __aenter__(self) -> BodyShare:
        if self._has_arrived:
            self._held = await self._budget.take(self._length or 0, held=0, sender=self.sender)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.give_back()

    def give_back(self) -> None:
        self.arrived()
        held, self._held = self._held, 0
        self._budget.give_back(held, self.sender)

    async def cover(self, received: int) -> None:
        """Hold room for all bytes `received`. The room doubles, so that few steps are needed.

        Raises CannotStoreNow.
        """
        if received - self._progress_bytes >= STALL_BYTES or not self._held:
            self._progress_bytes, self.progress_at = received, trio.current_time()
        if received <= self._held:
            return
        wanted = max(received, 2 * self._held, INITIAL_BYTES)
        if self._length is not None:
            wanted = max(received, min(wanted, self._length))
        self._is_waiting = True
        try:
            self._held = await self._budget.take(wanted, held=self._held, sender=self.sender)
        finally:
            self._is_waiting = False
        # The wait was for others: it is no stall of this body.
        self.progress_at = trio.current_time()
        self._budget.watch(self)

    def arrived(self) -> None:
        """The body is complete, or given up: it cannot stall any more."""
        self._budget.watch(self, is_over=True)

    def is_stalled_since(self, seconds: float) -> bool:
        return self.progress_at <= seconds and not self._is_waiting

    def lose(self) -> None:
        """Give the room to others, and end the reading of this body."""
        self.is_lost = True
        self.give_back()
        self.on_lost()


class _Waiter:
    """A body that waits for more room than it holds."""

    def __init__(self, sender: BodySender, held: int, wanted: int) -> None:
        self.sender = sender
        self.held = held
        self.wanted = wanted
        self.more = wanted - held
        self.granted = trio.Event()
