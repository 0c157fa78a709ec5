"""The counts per hour are those of the log, whatever happens to it."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from hub.store.db import Store
from hub.store.disk import Disk
from hub.store.records.count_checks import wrong_hours
from hub.store.records.record_counts import (
    WHOLE_SITE,
    count_again,
    count_by_hour,
    is_there,
)
from hub.store.records.record_filter import RecordFilter
from hub.store.recovery.rebuild import rebuild
from hub.store.tables.erasures import ErasureReport, NewErasure, Subject
from hub.store.tables.holds import NewHold
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    HubDetail,
    RecordKind,
)
from tests.support.clock import FrozenClock
from tests.support.stores import batch, batch_of, drop_day, opened, upload

HOUR = 3_600_000
DAY = 86_400

#: What a count is of, and how many there are.
Counts = dict[tuple[object, ...], int]

_KEY = "kind, ifnull(type, ''), ifnull(category, '')"


def counts_of(data: Path) -> tuple[Counts, Counts, Counts, Counts]:
    """The counts per hour and in total, and what they should be according to the log."""
    with closing(sqlite3.connect(data / "hub.sqlite")) as connection:

        def counts(sql: str) -> Counts:
            return {tuple(key): records for *key, records in connection.execute(sql)}

        log = connection.execute(f"SELECT occurred_at, did, {_KEY} FROM record").fetchall()
        hourly: Counts = {}
        total: Counts = {}
        for at, did, *what in log:
            if not isinstance(at, int) or not isinstance(did, str):
                continue
            for key in ((at // HOUR, did, *what), (at // HOUR, WHOLE_SITE, *what)):
                hourly[key] = hourly.get(key, 0) + 1
            total[(did, *what)] = total.get((did, *what), 0) + 1
        return (
            counts("SELECT hour, did, kind, type, category, records FROM record_count"),
            hourly,
            counts("SELECT did, kind, type, category, records FROM record_total"),
            total,
        )


def assert_right(data: Path) -> None:
    found, hourly, totals, total = counts_of(data)
    assert found == hourly
    assert totals == total


class Life:
    """A hub to which everything happens that changes the log, in an order made by chance."""

    def __init__(self, data: Path, clock: FrozenClock, seed: int) -> None:
        self._data = data
        self._clock = clock
        self._chance = random.Random(seed)
        self._seed = 0
        self.done: set[str] = set()

    def steps(self) -> list[Callable[[Store], Awaitable[None]]]:
        choices = (self.append, self.repeat, self.hold, self.release, self.erase, self.drop)
        chosen = self._chance.choices(choices, weights=(12, 1, 3, 2, 1, 2), k=25)
        self.done |= {one.__name__ for one in chosen}
        return list(chosen)

    async def append(self, store: Store) -> None:
        self._seed += 1
        await store.records.append(
            batch_of(
                self._clock,
                [self._upload() for _ in range(self._chance.randrange(1, 4))],
                seed=self._seed,
                did=self._chance.choice(("1", "2", "3", "")),
            )
        )
        self._clock.advance(self._chance.choice((0, 60, 3600, 20_000)))

    def _upload(self) -> CheckedUpload:
        category = self._chance.choice((None, 0, 1, 2))
        person = self._chance.choice(("p1", "p2", "p3"))
        details: dict[RecordKind, Detail] = {
            "face": FaceDetail(name="Li Wei", uuid=person, category=category),
            "event": EventDetail(type=self._chance.randrange(3), uuid=person, category=category),
            "access": AccessDetail(type=1, uuid=person),
        }
        kind = self._chance.choice(tuple(details))
        away = self._chance.choice((0, 0, -HOUR, 9 * HOUR, -self._clock.ms - 1))
        return upload(
            self._clock,
            kind=kind,
            detail=details[kind],
            pictures=1,
            occurred_at=self._clock.ms + away,
        )

    async def repeat(self, store: Store) -> None:
        for _ in range(2):
            await store.records.append(batch(self._clock, 1_000_000, did="1"))

    async def hold(self, store: Store) -> None:
        seqs = await store.read(lambda c: [seq for (seq,) in c.execute("SELECT seq FROM record")])
        if seqs:
            chosen = self._chance.sample(seqs, k=min(3, len(seqs)))
            await store.holds.create(_hold(self._clock), chosen)

    async def release(self, store: Store) -> None:
        for hold in (await store.holds.newest())[:2]:
            if hold.is_in_force:
                await store.holds.end(hold.id, "user ann", self._clock.ms)
        await store.holds.finish_ends()
        await store.evidence.remove_released()

    async def erase(self, store: Store) -> None:
        new = NewErasure(
            created_by="user ann",
            created_at=self._clock.ms,
            manner="person",
            subject=Subject(uuids=(self._chance.choice(("p1", "p2", "p3")),)),
            with_held=self._chance.random() < 0.5,
            last_seq=store.records.last_seq,
        )
        await store.erasures.add(new)
        ((erasure, subject),) = await store.erasures.unfinished()
        await store.eraser.run(erasure, subject)
        await store.erasures.finish(erasure.id, ErasureReport(), self._clock.ms)

    async def drop(self, store: Store) -> None:
        self._clock.advance(DAY)
        if days := store.retention.days():
            await drop_day(store, days[0].day)


def _hold(clock: FrozenClock) -> NewHold:
    return NewHold(reason="why", until=None, created_by="user ann", created_at=clock.ms)


@pytest.mark.parametrize("seed", range(4))
async def test_counts_are_right_after_any_mix_of_changes(
    seed: int, tmp_path: Path, clock: FrozenClock
) -> None:
    life = Life(tmp_path, clock, seed)
    for _ in range(2):
        async with opened(tmp_path, clock) as store:
            for step in life.steps():
                await step(store)
                assert_right(tmp_path)
            await life.append(store)
    assert life.done >= {"append", "hold", "erase", "drop"}
    assert_right(tmp_path)


async def test_a_rebuild_counts_what_it_inserts(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path, clock) as store:
        for seed in range(5):
            await store.records.append(batch(clock, seed))
            clock.advance(3600)
    (tmp_path / "hub.sqlite").unlink()
    assert rebuild(tmp_path, Disk(), os.urandom).records == 5
    assert_right(tmp_path)
    assert len(counts_of(tmp_path)[0]) == 10


async def test_records_of_the_hub_itself_are_counted_once(
    tmp_path: Path, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    """They have no camera: the counts of the whole site need a key of their own."""
    full = HubDetail("disk-full", "the disk is full", {})
    async with opened(tmp_path, clock) as store:
        for seed, did in enumerate(("", "1", "")):
            await store.records.append(batch(clock, seed, did=did, kind="hub", detail=full))
        hour = clock.ms // HOUR
        assert await store.read(lambda c: count_by_hour(c, RecordFilter(), hour, hour)) == {hour: 3}
        assert await store.check() == ""
        assert "wrong" not in caplog.text
        day = store.retention.days()[0].day
        clock.advance(DAY)
        await drop_day(store, day)
    assert counts_of(tmp_path) == ({}, {}, {}, {})


async def fill(store: Store, clock: FrozenClock) -> int:
    """Five records of two cameras in three hours; returns the first of these."""
    first = clock.ms // HOUR
    await store.records.append(batch(clock, 1, did="1", detail=FaceDetail(category=0)))
    await store.records.append(batch(clock, 2, did="2", detail=FaceDetail(category=2)))
    await store.records.append(batch(clock, 3, did="2", detail=FaceDetail()))
    clock.advance(2 * 3600)
    await store.records.append(batch(clock, 4, did="2", kind="event", detail=EventDetail(type=3)))
    stray = batch(clock, 5, did="1", detail=FaceDetail(category=0), occurred_at=-1)
    await store.records.append(stray)
    return first


@pytest.mark.parametrize(
    ("filter", "records"),
    [
        (RecordFilter(), 5),
        (RecordFilter(did="1"), 2),
        (RecordFilter(did="1", dids=("2",)), 0),
        (RecordFilter(dids=("1", "2")), 5),
        (RecordFilter(dids=()), 0),
        (RecordFilter(did="3"), 0),
        (RecordFilter(kind="face"), 4),
        (RecordFilter(kind="face", type=3), 0),
        (RecordFilter(type=3), 1),
        (RecordFilter(type=2**70), 0),
        (RecordFilter(category=0), 2),
        (RecordFilter(categories=(0, 2)), 3),
        (RecordFilter(did="2", category=0), 0),
        (RecordFilter(name="not counted", since=0, until=0), 5),
    ],
)
async def test_counts_tell_whether_and_how_many_records_there_are(
    filter: RecordFilter, records: int, tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        await fill(store, clock)
        assert await store.read(lambda c: is_there(c, filter)) == (records > 0)
        by_hour = await store.read(lambda c: count_by_hour(c, filter, -(2**70), 2**70))
        assert sum(by_hour.values()) == records


async def test_counts_are_read_by_hour(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path, clock) as store:
        first = await fill(store, clock)
        everything = await store.read(lambda c: count_by_hour(c, RecordFilter(), -1, first + 2))
        assert everything == {-1: 1, first: 3, first + 2: 1}
        some = await store.read(lambda c: count_by_hour(c, RecordFilter(did="2"), first, first + 1))
        assert some == {first: 2}


@pytest.mark.parametrize(
    "faults",
    [
        ("UPDATE record_count SET records = records + 1 WHERE did = '2'",),
        ("UPDATE record_count SET records = records + 1 WHERE did = '*'",),
        ("DELETE FROM record_count WHERE kind = 'event'",),
        ("DELETE FROM record_count",),
        ("INSERT INTO record_count VALUES (7, '9', 'face', '', '', 1)",),
        ("UPDATE record_count SET hour = hour | 1 << 60 WHERE did = '1'",),
        ("UPDATE record_count SET hour = -1 << 62 WHERE did = '2'",),
        (
            "UPDATE record_count SET records = records + 1 WHERE did = '1' AND category = 0",
            "UPDATE record_count SET category = 1 WHERE did = '2' AND category = 2",
        ),
        ("UPDATE record_total SET records = 9 WHERE did = '1'",),
        ("DELETE FROM record_total WHERE did = '2'",),
        ("INSERT INTO record_total VALUES ('9', 'face', '', '', 1)",),
    ],
)
async def test_a_check_of_the_database_mends_wrong_counts(
    faults: tuple[str, ...],
    tmp_path: Path,
    clock: FrozenClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.store.records.count_checks._WINDOW", 2)
    async with opened(tmp_path, clock) as store:
        await fill(store, clock)
        for fault in faults:
            assert await store.write(lambda c, fault=fault: c.execute(fault).rowcount) > 0
        assert await store.check() == ""
        assert "the counts of records were wrong" in caplog.text
        caplog.clear()
        assert await store.check() == ""
        assert "wrong" not in caplog.text
    assert_right(tmp_path)


@pytest.mark.parametrize("table", ["record_count", "record_total"])
async def test_a_check_of_the_database_mends_damaged_counts(
    table: str, tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        await fill(store, clock)
    damage(tmp_path, table, "records = 'many'", "did = '2'")
    async with opened(tmp_path, clock) as store:
        assert await store.check() == ""
    assert_right(tmp_path)


async def test_a_check_of_the_database_mends_hours_that_are_no_numbers(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        await fill(store, clock)
    damage(tmp_path, "record_count", "hour = 'x'", "did = '2'")
    async with opened(tmp_path, clock) as store:
        assert await store.check() == ""
    assert_right(tmp_path)


@pytest.mark.parametrize("seq", [100_000, 2**63 - 1])
async def test_a_check_passes_over_a_gap_in_the_log(
    seq: int, tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.records.count_checks._WINDOW", 2)
    async with opened(tmp_path, clock) as store:
        await fill(store, clock)
    statements: list[str] = []
    with closing(sqlite3.connect(tmp_path / "hub.sqlite", isolation_level=None)) as connection:
        last = connection.execute("SELECT max(seq) FROM record").fetchone()[0]
        connection.execute("UPDATE record SET seq = ? WHERE seq = ?", (seq, last))
        connection.set_trace_callback(statements.append)
        connection.set_progress_handler(lambda: len(statements) > 200, 1)
        assert wrong_hours(connection) == []


async def test_wrong_counts_are_made_again(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path, clock) as store:
        for seed in range(3):
            await store.records.append(batch(clock, seed, occurred_at=-1 - seed))
        await store.write(_spoil)
        await store.write(count_again)
    assert_right(tmp_path)
    assert {key[0] for key in counts_of(tmp_path)[0]} == {-1}


def _spoil(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE record_count SET records = 77")
    connection.execute("DELETE FROM record_total")


@pytest.mark.parametrize("junk", ["1.5", "'many'", "x'00'", "-7", str(2**63 - 1)])
async def test_a_damaged_count_loses_no_upload_and_keeps_no_day(
    junk: str, tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
    damage(tmp_path, "record_count", f"records = {junk}", "true")
    damage(tmp_path, "record_total", f"records = {junk}", "true")
    async with opened(tmp_path, clock) as store:
        assert (await store.records.append(batch(clock, 2))).seqs == (2,)
        clock.advance(DAY)
        await drop_day(store, "2026-11-25")
        await store.records.append(batch(clock, 3))
        assert await store.records.get(1) is None


def damage(data: Path, table: str, change: str, condition: str) -> None:
    """Change rows as a fault of the disk would, against the types of their columns."""
    path = data / "hub.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        (sql,) = connection.execute(_SQL, (table,)).fetchone()
    _set_sql(
        path, table, sql.replace("STRICT, ", "").replace(" STRICT", "").replace("NOT NULL", "")
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(f"UPDATE {table} SET {change} WHERE {condition}").rowcount > 0
    _set_sql(path, table, sql)


_SQL = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?"


def _set_sql(path: Path, table: str, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?", (sql, table)
        )
