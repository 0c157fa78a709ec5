"""What records can be searched by comes and goes with them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hub.store.db import Store
from hub.store.records.record_filter import RecordFilter
from hub.store.tables.erasures import NewErasure, Subject
from hub.store.tables.holds import NewHold
from hub.wire.uploads.records import FaceDetail
from hub.wire.uploads.searchable import AskedAttributes
from tests.support.clock import FrozenClock
from tests.support.stores import batch, drop_day, opened

BACKPACK: AskedAttributes = (("bag", ("backpack",)),)
DAY = 86_400


def carrier(name: str) -> FaceDetail:
    return FaceDetail(name=name, uuid=name, attributes={"bag": "backpack"})


async def found(store: Store) -> list[int]:
    page = await store.records.page(RecordFilter(attributes=BACKPACK))
    return [record.seq for record in page.items]


def kept(connection: sqlite3.Connection) -> list[int]:
    return [seq for (seq,) in connection.execute("SELECT seq FROM record_attributes")]


async def test_an_erased_record_is_not_found_by_its_attributes(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        for seed, name in enumerate(("Ann", "Bob", "Ann"), 1):
            await store.records.append(batch(clock, seed, detail=carrier(name)))
        assert await found(store) == [1, 2, 3]
        await store.erasures.add(
            NewErasure(
                created_by="user ann",
                created_at=clock.ms,
                manner="person",
                subject=Subject(uuids=("Ann",)),
                with_held=False,
                last_seq=store.records.last_seq,
            )
        )
        ((erasure, subject),) = await store.erasures.unfinished()
        await store.eraser.run(erasure, subject)
        assert await found(store) == [2]
        assert await store.read(kept) == [2]


async def test_the_attributes_of_a_dropped_day_go_and_those_of_what_is_held_stay(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        for seed in (1, 2):
            await store.records.append(batch(clock, seed, detail=carrier("Ann")))
        clock.advance(DAY)
        await store.records.append(batch(clock, 3, detail=carrier("Bob")))
        hold = NewHold(reason="theft", created_by="user ann", created_at=clock.ms)
        await store.holds.create(hold, [2])
        await drop_day(store, store.retention.days()[0].day)
        assert await found(store) == [2, 3]
        assert await store.read(kept) == [2, 3]


async def test_a_row_that_was_left_behind_keeps_no_record_out(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.write(
            lambda c: c.execute("INSERT INTO record_attributes (seq, bits) VALUES (1, 5)")
        )
        await store.records.append(batch(clock, 1, detail=carrier("Ann")))
        assert await found(store) == [1]
