"""The pace of copying: limits of speed and of failed reads, progress, and the way to stop it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Bytes that are copied at once. Small, so that an upload never waits long for the disk.
STEP_BYTES = 256 * 1024
#: Failed reads take so long in all: a disk may try for half a minute each time.
MAX_FAILING_SECONDS = 3600.0


class CopyingStopped(Exception):
    """`Pace.stop` was called: the hub ends, or a person cancelled the backup."""


class Pace:
    """Used by the copying thread, except `stop` and the figures.

    `limit` is in bytes per second; 0 means no limit. Time in which nothing was copied is not made
    up for by copying faster afterwards.
    """

    def __init__(
        self, limit: float = 0, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._free_at = monotonic()
        self._failing_seconds = 0.0
        self._stopping = threading.Event()
        self._on_stop: Callable[[], None] | None = None
        #: Bytes that were copied, and how many there will be in all (0: not known yet).
        self.done_bytes = 0
        self.total_bytes = 0

    def stop(self) -> None:
        """Make the copying thread raise CopyingStopped soon. Call it from any thread."""
        self._stopping.set()
        if (interrupt := self._on_stop) is not None:
            interrupt()

    def on_stop(self, interrupt: Callable[[], None] | None) -> None:
        """Have `stop` call `interrupt` too, as long as a step runs that does not look at it."""
        self._on_stop = interrupt
        self.check()

    def check(self) -> None:
        """Raise CopyingStopped if the copying is to stop."""
        if self._stopping.is_set():
            raise CopyingStopped

    @property
    def has_time_to_fail(self) -> bool:
        """Whether failed reads may take more time."""
        return self._failing_seconds < MAX_FAILING_SECONDS

    @contextmanager
    def timing_failure(self) -> Iterator[None]:
        """Note how long the block takes if it raises OSError. Raises CopyingStopped as well."""
        began = self._monotonic()
        try:
            yield
        except OSError:
            self._failing_seconds += self._monotonic() - began
            self.check()
            raise

    def spend(self, size: int) -> None:
        """Note `size` bytes that were copied, and wait as long as the limit demands."""
        self.done_bytes += size
        if self._limit:
            now = self._monotonic()
            self._free_at = max(self._free_at, now) + size / self._limit
            if self._free_at > now:
                self._stopping.wait(self._free_at - now)
        self.check()
