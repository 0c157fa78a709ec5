"""A backup in one file as a stream of bytes, made as fast as they are taken."""

from __future__ import annotations

import queue
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import trio

from hub.services.backups.copying import Copying
from hub.store.backup.making import (
    FileBackup,
    SiteDescription,
    take_working_copy,
    working_folder,
    write_backup,
)
from hub.store.backup.pace import STEP_BYTES, Pace

#: So many steps wait to be taken.
_MAX_WAITING = 8
_POLL_SECONDS = 0.2


class _Handover:
    """Takes bytes from the copying thread, and gives them to a task of trio."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._token = trio.lowlevel.current_trio_token()
        self._full: queue.Queue[bytes] = queue.Queue(_MAX_WAITING)
        self._changed = trio.Event()
        self._buffer = bytearray()

    def write(self, data: bytes) -> None:
        """Hand bytes over; wait until there is room for them. In the thread."""
        self._buffer += data
        if len(self._buffer) >= STEP_BYTES:
            self.flush()

    def flush(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        while data:
            self._pace.check()
            with suppress(queue.Full):
                self._full.put(data, timeout=_POLL_SECONDS)
                break
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._wake)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def wait(self) -> None:
        """Wait until there may be more."""
        with trio.move_on_after(_POLL_SECONDS):
            await self._changed.wait()

    def take_nowait(self) -> bytes:
        """Return the next bytes, b"" if there are none."""
        with suppress(queue.Empty):
            return self._full.get_nowait()
        return b""


@asynccontextmanager
async def stream_backup(
    data_dir: Path,
    site: SiteDescription,
    *,
    min_free: int,
    pictures: bool,
    passphrase: str | None,
    pace: Pace,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Yield the bytes of a backup. Leaving the block ends it.

    The iterator raises BackupFault in place of the next bytes: a file that was cut off does not
    restore.
    """
    handover = _Handover(pace)

    def work() -> FileBackup:
        with working_folder(data_dir) as folder:
            copy = take_working_copy(data_dir, folder, pace, min_free)
            made = write_backup(
                handover, data_dir, copy, site, pictures=pictures, passphrase=passphrase, pace=pace
            )
        handover.flush()
        return made

    async def taken(copying: Copying[FileBackup]) -> AsyncGenerator[bytes, None]:
        while True:
            is_over = copying.ended.is_set()
            if data := handover.take_nowait():
                yield data
            elif is_over:
                await copying.result()
                return
            else:
                await handover.wait()

    copying = Copying(work, pace)
    try:
        async with aclosing(taken(copying)) as data:
            yield data
    finally:
        await copying.stop()
