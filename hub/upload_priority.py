"""Background work that gives way to uploads: a camera that waits for its 200 goes first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

#: Background work waits at most for so long, since a busy site has always an upload in progress.
MAX_WAIT_SECONDS = 0.02


class UploadPriority:
    """Counts the uploads in progress. Those that are still being received do not count."""

    def __init__(self) -> None:
        self._uploads = 0
        self._none_left = trio.Event()

    @contextmanager
    def upload(self) -> Iterator[None]:
        """An upload is in progress within this context."""
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1
            if not self._uploads:
                self._none_left.set()
                self._none_left = trio.Event()

    async def yield_to_uploads(self) -> None:
        """Wait until no upload is in progress, at most MAX_WAIT_SECONDS. Always a checkpoint."""
        if not self._uploads:
            await trio.lowlevel.checkpoint()
            return
        with trio.move_on_after(MAX_WAIT_SECONDS):
            await self._none_left.wait()
