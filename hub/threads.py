"""Small work in the event loop, large work in a thread, so that the other devices need not wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

T = TypeVar("T")


class WorkerThreads:
    """Threads for one class of work: at most `threads` at a time, for more than `inline_bytes`."""

    def __init__(self, *, inline_bytes: int, threads: int = 2) -> None:
        self._inline_bytes = inline_bytes
        self._limiter = trio.CapacityLimiter(threads)

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """Do the work on `size` bytes, and return or raise what it does.

        Small work is done without a checkpoint. A thread that has begun cannot be cancelled: the
        caller waits for it.
        """
        if size <= self._inline_bytes:
            return work()
        return await trio.to_thread.run_sync(work, limiter=self._limiter)
