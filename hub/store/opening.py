"""Opens and closes the store: its connections, and the tasks that run as long as it does."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
import trio_asyncio
from msgspec import Struct

from hub.errors import CannotStoreNow
from hub.store.alarms.alarm import AlarmChange
from hub.store.alarms.raising import AlarmRaiser
from hub.store.commit.group_commit import GroupCommit
from hub.store.commit.record_writer import RecordWriter
from hub.store.db import Store
from hub.store.disk import Disk
from hub.store.firmware_files import FirmwareFiles
from hub.store.health import HealthMonitor
from hub.store.media.day_index import DayIndex
from hub.store.media.held_index import HeldIndex
from hub.store.media.packs import Packs
from hub.store.names import DATABASE, FIRMWARE, MEDIA
from hub.store.records.count_checks import (
    are_totals_wrong,
    mend_hour,
    mend_totals,
    wrong_hours,
)
from hub.store.sealing import Random
from hub.store.sqlite.clean_mark import mark_open
from hub.store.sqlite.connection import Bridge, open_bridge
from hub.store.sqlite.migrate import unusable
from hub.store.sqlite.readers import Readers
from hub.store.sqlite.sql import one
from hub.store.startup import StartState, prepare
from hub.store.tables.table import Engine
from hub.wire.uploads.records import Record

log = logging.getLogger(__name__)

_QUERY_READERS = 2
_PICTURE_READERS = 2
#: For searches that take long: others must not wait for them.
_SEARCH_READERS = 1
_CLOSE_SECONDS = 8.0
#: A reader may keep the write-ahead log from being emptied.
_EMPTY_WAL_ATTEMPTS = 100
_EMPTY_WAL_PAUSE = 0.2


@asynccontextmanager
async def open_store(
    data_dir: Path,
    *,
    now: Callable[[], float],
    on_records: Callable[[Sequence[Record]], None],
    on_alarms: Callable[[Sequence[AlarmChange]], None] = lambda changes: None,
    random: Random = os.urandom,
    disk: Disk | None = None,
) -> AsyncIterator[Store]:
    """Open, or create, the store of a data directory.

    `now` returns UNIX seconds. `on_records` is called in trio with each group's records right
    after their commit, in the order of `seq`, before the tasks that wait for them wake up;
    `on_alarms` with what has changed of alarms, right after that.

    Raises StartFault if the store cannot be used. On leaving the block, also by cancellation or an
    error, queued writes are still committed and all files are closed, within 16 seconds.
    """
    disk = disk or Disk()
    start = await trio.to_thread.run_sync(prepare, data_dir, random, disk, now())
    failure: Exception | None = None
    async with trio_asyncio.open_loop() as loop, trio.open_nursery() as nursery:
        bridges = await _open_bridges(data_dir / DATABASE, loop)
        running = _RunningStore(
            data_dir, start, bridges, disk, loop, now, on_records, on_alarms, random
        )
        # Not `nursery.start`: if cancelled, it would wait for a task that never ends.
        lifetime = trio.CancelScope(shield=True)
        nursery.start_soon(running.run, lifetime)
        try:
            yield running.store
        except Exception as error:
            # Raised after the nurseries, because they would wrap it in exception groups.
            failure = error
        finally:
            with trio.move_on_after(_CLOSE_SECONDS, shield=True) as closing:
                await running.close()
            if closing.cancelled_caught:
                log.error("the disk does not answer: the store is not closed properly")
            lifetime.cancel()
            await _close(bridges.all())
    if failure is not None:
        raise failure


class _Bridges(Struct, frozen=True):
    """The store's connections, each with a thread of its own."""

    writer: Bridge
    queries: list[Bridge]
    pictures: list[Bridge]
    searches: list[Bridge]

    def all(self) -> tuple[Bridge, ...]:
        # The writer comes last, because the last connection to close removes the WAL, and it
        # checkpoints.
        return (*self.pictures, *self.searches, *self.queries, self.writer)


class _RunningStore:
    """A store and its background tasks."""

    def __init__(
        self,
        data_dir: Path,
        start: StartState,
        bridges: _Bridges,
        disk: Disk,
        loop: trio_asyncio.TrioEventLoop,
        now: Callable[[], float],
        on_records: Callable[[Sequence[Record]], None],
        on_alarms: Callable[[Sequence[AlarmChange]], None],
        random: Random,
    ) -> None:
        self._path = data_dir / DATABASE
        self._loop = loop
        self._start = start
        self._bridges = bridges
        self._monitor = HealthMonitor()
        for text in start.damage:
            self._monitor.damaged(text)
        for text in start.losses:
            self._monitor.lost(text)
        self._packs = Packs(data_dir / MEDIA, disk, self._monitor.lost)
        days = DayIndex(start.days)
        raiser = AlarmRaiser(start.damaged_rows, on_alarms)
        record_writer = RecordWriter(self._packs, days, start.log_state, raiser, now)
        self._writer = GroupCommit(bridges.writer, record_writer, self._monitor, on_records)
        engine = Engine(
            writer=self._writer,
            queries=Readers(bridges.queries, self._monitor),
            picture_readers=Readers(bridges.pictures, self._monitor),
            searchers=Readers(bridges.searches, self._monitor, "searches"),
            box=start.box,
            damaged=start.damaged_rows,
            packs=self._packs,
            days=days,
            held=HeldIndex(data_dir / MEDIA, start.held),
            disk=disk,
            monitor=self._monitor,
            raiser=raiser,
            now=now,
            random=random,
        )
        self.store = Store(
            start,
            engine,
            firmware_files=FirmwareFiles(data_dir / FIRMWARE, disk),
            check=self._check,
            empty_wal=self._empty_wal,
        )

    async def run(self, lifetime: trio.CancelScope) -> None:
        """Run the background tasks until `lifetime`, a shielded scope, is cancelled.

        They outlive a cancellation of the store's users, who may still have to write.
        """
        with lifetime:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._writer.run)
                nursery.start_soon(self._remove_dropped)
                if not self._start.is_clean:
                    nursery.start_soon(self._check)

    async def close(self) -> None:
        """Commit the queued writes, close the packs, and mark the stop as clean."""
        self._writer.close()
        await self._writer.ended.wait()
        try:
            await self._bridges.writer.run(self._writer.mark_closed)
        except (sqlite3.Error, OSError) as error:
            log.warning("the store could not be closed properly: %s", error)

    async def _empty_wal(self) -> bool:
        """Copy the write-ahead log into the database and empty it; return whether it is empty."""
        for _ in range(_EMPTY_WAL_ATTEMPTS):
            if await self._writer.empty_wal():
                return True
            await trio.sleep(_EMPTY_WAL_PAUSE)
        return False

    async def _remove_dropped(self) -> None:
        try:
            await self.store.evidence.remove_released()
        except Exception as error:  # nothing else depends on it: the hub goes on
            log.warning("what was released is not all removed yet: %s", error)
        await self.store.retention.run(has_drops=self._start.has_drops)

    async def _check(self) -> str:
        try:
            bridge = await open_bridge(self._path, self._loop, writes=False)
        except sqlite3.Error as error:
            log.warning("the database is not checked this time: %s", error)
            return ""
        try:
            # Before the check, which would find a count that is no number, and not mend it.
            await self._check_counts(bridge)
            found = await bridge.run(_quick_check)
        except sqlite3.DatabaseError as error:
            found = str(error)
        finally:
            await _close([bridge])
        if found:
            self._monitor.damaged(f"{DATABASE}: {found}")
        return found

    async def _check_counts(self, bridge: Bridge) -> None:
        """Make the counts of records again that a fault of the disk made wrong."""
        try:
            hours = await bridge.run(wrong_hours)
            for hour in hours:
                await self._writer.write(partial(mend_hour, hour))
            if are_wrong := await bridge.run(are_totals_wrong):
                await self._writer.write(mend_totals)
        except (CannotStoreNow, sqlite3.DatabaseError) as error:
            log.warning("the counts of records are not mended this time: %s", error)
            return
        if hours or are_wrong:
            log.warning(
                "the counts of records were wrong in %d hours, and were made again", len(hours)
            )


async def _open_bridges(path: Path, loop: trio_asyncio.TrioEventLoop) -> _Bridges:
    opened: list[Bridge] = []

    async def open_one(writes: bool) -> Bridge:
        opened.append(await open_bridge(path, loop, writes=writes))
        return opened[-1]

    try:
        bridges = _Bridges(
            writer=await open_one(True),
            queries=[await open_one(False) for _ in range(_QUERY_READERS)],
            pictures=[await open_one(False) for _ in range(_PICTURE_READERS)],
            searches=[await open_one(False) for _ in range(_SEARCH_READERS)],
        )
        await bridges.writer.run(mark_open)
    except BaseException as error:
        await _close(opened)
        if isinstance(error, sqlite3.DatabaseError):
            raise unusable(path, error) from error
        raise
    return bridges


async def _close(bridges: Sequence[Bridge]) -> None:
    with trio.move_on_after(_CLOSE_SECONDS, shield=True):
        for bridge in bridges:
            await bridge.aclose()


def _quick_check(connection: sqlite3.Connection) -> str:
    found = one(connection, "PRAGMA quick_check(1)")
    return "" if found == "ok" else str(found)
