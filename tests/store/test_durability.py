"""Acknowledged records are flushed to the disk.

kill -9 cannot show this, since the system keeps its page cache.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.store import disk
from hub.store.disk import Disk
from hub.store.names import DATABASE
from tests.support.clock import FrozenClock
from tests.support.stores import batch, opened


class WatchedDisk(Disk):
    """Notes what the database holds each time that a pack has been flushed."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self.records_at_flush: list[int] = []

    def flush(self, file: int) -> None:
        super().flush(file)
        with closing(sqlite3.connect(self._database)) as reader:
            [(count,)] = reader.execute("SELECT count(*) FROM record")
        self.records_at_flush.append(count)


async def test_pictures_are_flushed_before_the_commit_and_the_commit_before_the_answer(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    watched = WatchedDisk(data / DATABASE)
    async with opened(data, clock, disk=watched) as store:
        for seed in (1, 2):
            await store.records.append(batch(clock, seed))
            with closing(sqlite3.connect(data / DATABASE)) as reader:
                assert reader.execute("SELECT count(*) FROM record").fetchone() == (seed,)
    assert watched.records_at_flush[:2] == [0, 1]


async def test_the_writer_makes_sqlite_flush_each_commit(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        synchronous = await store.write(
            lambda writer: writer.execute("PRAGMA synchronous").fetchone()
        )
        journal = await store.write(lambda writer: writer.execute("PRAGMA journal_mode").fetchone())
    full = 2
    assert (synchronous, journal) == ((full,), ("wal",))


async def test_a_flush_asks_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk._flush is getattr(os, "fdatasync", os.fsync)
    flushed: list[int] = []
    monkeypatch.setattr(disk, "_flush", flushed.append)
    Disk().flush(7)
    assert flushed == [7]
