"""Deadlines that cost an assignment: one task looks, a few times a second, for those that passed.

A deadline of trio's costs some microseconds each time that it moves, which with thousands of
requests a second is more than what is done about them. Whoever lives long, and has a deadline that
moves with everything that comes, is watched here instead. It is ended late, by SWEEP_SECONDS at the
most.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn, Protocol

import trio

SWEEP_SECONDS = 0.25


class Watched(Protocol):
    """What has a deadline by trio's clock; math.inf is none."""

    deadline: float

    def expire(self) -> None:
        """The deadline has passed. Called again by each sweep as long as it lies in the past."""


class Deadlines:
    """Those of all that was added and not discarded."""

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        #: What is to be watched, and what is not to be any more.
        self.add = self._watched.add
        self.discard = self._watched.discard

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """As long as this lasts, what is overdue is ended."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sweep)
            yield
            nursery.cancel_scope.cancel()

    async def _sweep(self) -> NoReturn:
        while True:
            await trio.sleep(SWEEP_SECONDS)
            now = trio.current_time()
            for one in tuple(self._watched):
                if one.deadline <= now:
                    one.expire()
