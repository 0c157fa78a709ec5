"""Runs small work in the event loop and large work in a thread, to keep the loop responsive."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

T = TypeVar("T")


class WorkerThreads:
    """Runs one class of work: up to `inline_bytes` inline, more in one of `threads` threads."""

    def __init__(self, *, inline_bytes: int, threads: int = 2) -> None:
        self._inline_bytes = inline_bytes
        self._limiter = trio.CapacityLimiter(threads)

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """Do the work on `size` bytes. Return its result or raise its error.

        Small work is done without a checkpoint. A thread that has begun cannot be cancelled: the
        caller waits for it.
        """
        if size <= self._inline_bytes:
            return work()
        return await trio.to_thread.run_sync(work, limiter=self._limiter)
