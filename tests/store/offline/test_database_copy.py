"""A database that an update puts back gets the records that were stored since it was copied."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from hub.store.offline.database_copy import DatabaseFile, copy_sample
from tests.store.recovery.test_start_check import DATABASE, WAL, content, filled, killed
from tests.support.clock import FrozenClock
from tests.support.stores import batch, is_whole, opened


async def test_what_was_acknowledged_since_the_copy_stays_when_it_is_put_back(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(1, 3))
    database = DatabaseFile(data / DATABASE)
    database.copy(copy)
    left = await killed(data, tmp_path / "left", clock, range(3, 6))
    database = DatabaseFile(left / DATABASE)
    database.put_back(copy)
    async with opened(left, clock) as store:
        for seed in range(1, 6):
            assert await is_whole(store, seed, batch(clock, seed).uploads[0])
        assert store.records.last_seq == 5
    async with opened(left, clock) as store:
        assert store.clean_start
        assert not (left / "hub.sqlite.put-back").exists()


async def test_a_copy_of_what_a_crash_left_changes_nothing(
    tmp_path: Path, clock: FrozenClock
) -> None:
    left = await killed(tmp_path / "data", tmp_path / "left", clock, range(1, 4))
    before = content(left)
    DatabaseFile(left / DATABASE).copy(tmp_path / "copy")
    assert content(left) == before
    (left / WAL).unlink()
    (left / DATABASE).write_bytes((tmp_path / "copy").read_bytes())
    async with opened(left, clock) as store:
        assert store.records.last_seq == 3


async def test_a_sample_has_no_log_and_nothing_that_counts_it(
    tmp_path: Path, clock: FrozenClock
) -> None:
    """A migration may compare the two."""
    await filled(tmp_path / "data", clock, range(1, 3))
    copy_sample(tmp_path / "data" / DATABASE, tmp_path / "sample")
    with closing(sqlite3.connect(tmp_path / "sample")) as connection:
        for table in ("record", "record_count", "record_total", "day", "span"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
        triggers = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"
        assert connection.execute(triggers).fetchone()[0] >= 5
