"""A real store on a database in memory, for services and links under trio's jumping clock.

Tables, SQL and group commit are the hub's own. Only the threads are missing, because a test's clock
must not jump while a thread works: each write is a separate group, committed at once.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import trio

from hub.errors import CannotStoreNow, StillStoring
from hub.store.alarms.raising import AlarmRaiser
from hub.store.commit.group_commit import GroupCommit
from hub.store.commit.record_writer import RecordWriter
from hub.store.commit.write_queue import Write
from hub.store.db import Store
from hub.store.disk import Buffer, Disk
from hub.store.firmware_files import FirmwareFiles
from hub.store.health import HealthMonitor
from hub.store.media.day_index import DayIndex
from hub.store.media.held_index import HeldIndex
from hub.store.media.packs import Packs
from hub.store.sealing import SecretBox
from hub.store.sqlite.connection import Job
from hub.store.sqlite.migrate import migrations
from hub.store.sqlite.readers import Readers
from hub.store.startup import load
from hub.store.tables.table import Engine

T = TypeVar("T")


class MemoryStore(Store):
    """`refuses`: nothing can be stored. `before_write`: called first in each write.

    `is_slow`: the disk does not respond, and callers do not wait; `respond` commits what they left.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.refuses = False
        self.is_slow = False
        self.late: list[Callable[[], None]] = []
        self.writes = 0
        self.before_write: Callable[[], object] | None = None
        self._connection = _open_database()
        weakref.finalize(self, self._connection.close)
        bridge: Any = _InlineBridge(self._connection)
        start = load(self._connection, SecretBox(bytes(32), os.urandom))
        monitor, days = HealthMonitor(), DayIndex(start.days)
        disk = _DiscardingDisk()
        packs = Packs(Path("media"), disk, monitor.damaged)
        raiser = AlarmRaiser(start.damaged_rows, lambda changes: None)
        record_writer = RecordWriter(packs, days, start.log_state, raiser, now)
        readers = Readers([bridge], monitor)
        engine = Engine(
            writer=_InlineCommit(self, bridge, record_writer, monitor),
            queries=readers,
            picture_readers=readers,
            searchers=readers,
            box=start.box,
            damaged=start.damaged_rows,
            packs=packs,
            days=days,
            held=HeldIndex(packs.directory, start.held),
            disk=disk,
            monitor=monitor,
            raiser=raiser,
            now=now,
            random=os.urandom,
        )
        super().__init__(
            start,
            engine,
            firmware_files=FirmwareFiles(Path("firmware"), disk),
            check=_find_nothing,
            empty_wal=_empty_nothing,
        )

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows that a query finds."""
        return self._connection.execute(sql, values).fetchall()

    def respond(self) -> None:
        """Let the disk respond again."""
        self.is_slow = False
        while self.late:
            self.late.pop(0)()

    async def _start_write(self) -> None:
        """Yield, like a write that waits for its group."""
        if self.before_write is not None:
            self.before_write()
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        if self.refuses:
            raise CannotStoreNow("the disk is full")
        self.writes += 1


class _InlineCommit(GroupCommit):
    def __init__(
        self,
        store: MemoryStore,
        bridge: Any,
        record_writer: RecordWriter,
        monitor: HealthMonitor,
    ) -> None:
        super().__init__(bridge, record_writer, monitor, lambda records: None)
        self._store = store

    async def submit(self, write: Write[T]) -> T:
        await self._store._start_write()
        if self._store.is_slow:
            self._store.late.append(partial(self._commit_now, write))
            raise StillStoring("the disk is not responding")
        self._commit_now(write)
        return write.result()

    def _commit_now(self, write: Write[Any]) -> None:
        group = [write]
        records = self._run_group(self._store._connection, group)
        self._settle(group, records, None, 0.0)


class _InlineBridge:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def current(self) -> sqlite3.Connection:
        return self._connection

    async def run(self, job: Job[T]) -> T:
        await trio.lowlevel.checkpoint()
        return job(self._connection)


class _DiscardingDisk(Disk):
    """Accepts pictures of records, and discards them."""

    def open(self, path: Path) -> int:
        return os.open(os.devnull, os.O_RDWR)

    def is_at(self, file: int, path: Path) -> bool:
        return True

    def write(self, file: int, buffers: Sequence[Buffer], offset: int) -> None:
        pass

    def flush(self, file: int) -> None:
        pass

    def cut(self, file: int, size: int) -> None:
        pass

    def flush_directory(self, path: Path) -> None:
        pass


def _open_database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.deserialize(_empty_database())
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


@cache
def _empty_database() -> bytes:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for step in migrations().values():
            connection.executescript(step)
        return connection.serialize()
    finally:
        connection.close()


async def _find_nothing() -> str:
    return ""


async def _empty_nothing() -> bool:
    return True
