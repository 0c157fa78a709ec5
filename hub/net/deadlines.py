"""Deadlines that are moved by an assignment. One task checks them a few times a second.

Moving a trio deadline costs a few microseconds, which is too much for thousands of requests a
second. Long-lived objects whose deadline moves with each message are watched here instead. They
expire up to SWEEP_SECONDS late.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn, Protocol

import trio

SWEEP_SECONDS = 0.25


class Watched(Protocol):
    """An object with a deadline, in seconds of trio's clock; math.inf means none."""

    deadline: float

    def expire(self) -> None:
        """Called by every sweep while the deadline is in the past."""


class Deadlines:
    """The objects whose deadlines are checked: those added and not yet discarded."""

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        #: add(watched) and discard(watched).
        self.add = self._watched.add
        self.discard = self._watched.discard

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Check the deadlines for as long as the block runs."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sweep)
            yield
            nursery.cancel_scope.cancel()

    async def _sweep(self) -> NoReturn:
        while True:
            await trio.sleep(SWEEP_SECONDS)
            now = trio.current_time()
            for watched in tuple(self._watched):
                if watched.deadline <= now:
                    watched.expire()
