"""One turn at a time: who waits for it, and who gets it next.

Sources come one after the other, however many turns one of them waits for. They have ranks: those
of a lower number come first.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import trio


class FairQueue:
    """Hands out turns. The callers bound how many wait, and for how long."""

    def __init__(self, ranks: int = 1) -> None:
        self._is_taken = False
        #: For each rank, those who wait by source. The source that had a turn goes to the end.
        self._ranks: tuple[OrderedDict[Hashable, deque[trio.Event]], ...] = tuple(
            OrderedDict() for _ in range(ranks)
        )

    @property
    def is_idle(self) -> bool:
        """Whether nobody has the turn or waits for it."""
        return not self._is_taken

    def waiting(self, rank: int = 0) -> int:
        """How many of this rank wait."""
        return sum(len(queue) for queue in self._ranks[rank].values())

    @asynccontextmanager
    async def turn(self, source: Hashable, rank: int = 0) -> AsyncIterator[None]:
        """Wait for a turn, and hold it. A free one is taken without a checkpoint."""
        if self._is_taken:
            await self._wait(source, rank)
        else:
            self._is_taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, source: Hashable, rank: int) -> None:
        turn = trio.Event()
        self._ranks[rank].setdefault(source, deque()).append(turn)
        try:
            await turn.wait()
        except trio.Cancelled:
            if turn.is_set():
                self._pass_on()
            else:
                self._remove(source, rank, turn)
            raise

    def _remove(self, source: Hashable, rank: int, turn: trio.Event) -> None:
        queue = self._ranks[rank][source]
        queue.remove(turn)
        if not queue:
            del self._ranks[rank][source]

    def _pass_on(self) -> None:
        """Give the turn to the next one, if somebody waits."""
        for queues in self._ranks:
            if queues:
                source, queue = queues.popitem(last=False)
                queue.popleft().set()
                if queue:
                    queues[source] = queue
                return
        self._is_taken = False
