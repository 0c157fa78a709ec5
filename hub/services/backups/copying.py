"""Runs blocking copying in a thread of its own, which a disk that hangs may hold for long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

import trio

from hub.store.backup.pace import Pace

T = TypeVar("T")

#: After a cancellation, a step of the copying may still take so long.
_STOP_SECONDS = 3.0


class Copying(Generic[T]):
    """`work`, which uses `pace`, in a new thread. It is a daemon: the process can end without it.

    Call `stop` in any case, shielded or not, or the thread goes on.
    """

    def __init__(self, work: Callable[[], T], pace: Pace) -> None:
        self._work = work
        self._pace = pace
        self._token = trio.lowlevel.current_trio_token()
        self._values: list[T] = []
        self._error: BaseException | None = None
        #: Set when the work has ended.
        self.ended = trio.Event()
        threading.Thread(target=self._run, name="backup", daemon=True).start()

    async def result(self) -> T:
        """Wait for the end; return the result of the work, or raise its error."""
        await self.ended.wait()
        if self._error is not None:
            raise self._error
        return self._values[0]

    async def stop(self) -> None:
        """Stop the work by its pace. A thread that does not end within 3 s is left behind."""
        if not self.ended.is_set():
            self._pace.stop()
            with trio.move_on_after(_STOP_SECONDS, shield=True):
                await self.ended.wait()

    def _run(self) -> None:
        try:
            self._values.append(self._work())
        except BaseException as error:
            self._error = error
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self.ended.set)


async def run_copying(work: Callable[[], T], pace: Pace) -> T:
    """Run `work`, which uses `pace`, in a new thread; return its result or raise its error.

    If cancelled, stops it first: see `Copying.stop`.
    """
    copying = Copying(work, pace)
    try:
        return await copying.result()
    finally:
        await copying.stop()
