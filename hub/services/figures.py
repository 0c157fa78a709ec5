"""Figures of the site: how much is stored, how much room is left. For its status and /metrics."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from hub.errors import HubError
from hub.services.disk_space import GB
from hub.store.names import DATABASE
from hub.store.records.record_filter import RecordFilter

if TYPE_CHECKING:
    from hub.services.core import Core


class StoredDays(Struct, frozen=True):
    """The days (UTC) of the record log. `bytes`: of their pictures."""

    count: int
    bytes: int


class DiskUse(Struct, frozen=True):
    """In bytes. `free` is None if the disk does not tell."""

    free: int | None
    needed: int
    database: int
    write_ahead_log: int


class SiteFigures:
    """Reads the figures. `started_at`: when the hub started, in UNIX seconds."""

    def __init__(self, core: Core) -> None:
        self._store = core.store
        self._data_dir = core.data_dir
        self._settings = core.settings
        self.started_at = core.now()

    def days(self) -> StoredDays:
        """Return what the record log holds."""
        days = self._store.retention.days()
        return StoredDays(len(days), sum(day.bytes for day in days))

    def disk(self) -> DiskUse:
        """Return the use of the disk. Takes microseconds, unless the disk does not answer."""
        database = self._data_dir / DATABASE
        try:
            free = shutil.disk_usage(self._data_dir).free
        except OSError:
            free = None
        return DiskUse(
            free=free,
            needed=int(self._settings.current.store.min_free_gb * GB),
            database=_size(database),
            write_ahead_log=_size(database.with_name(f"{database.name}-wal")),
        )

    def queue(self) -> tuple[int, int]:
        """Return how many writes wait to be stored, and their bytes."""
        return self._store.queue_fill

    async def record_times(self) -> tuple[int | None, int | None]:
        """Return when the oldest and the newest record were received, in UNIX milliseconds.

        None if there is none, or if the store cannot be read now.
        """
        return await self._received_at(newest=False), await self._received_at(newest=True)

    async def _received_at(self, *, newest: bool) -> int | None:
        try:
            page = await self._store.records.page(RecordFilter(), newest_first=newest, limit=1)
        except HubError:
            return None
        return page.items[0].received_at if page.items else None


def _size(path: Path) -> int:
    """Return a file's size; 0 if there is none. Never opens it, see `store.offline.inspection`."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
