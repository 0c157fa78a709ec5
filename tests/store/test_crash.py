"""Guarantee 1: acknowledged records survive a power failure; others leave no trace."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
import trio.testing

from hub.store.db import Store
from hub.store.health import StoreHealth
from hub.store.media.packs import entries
from hub.wire.uploads.records import Record
from tests.support.clock import FrozenClock
from tests.support.stores import (
    BlockingJob,
    WatchedDisk,
    batch,
    copy_as_left,
    drop_day,
    is_whole,
    opened,
    pack_size,
)

STEPS = (
    "before the rows are complete",
    "before the pack is written",
    "after a part of it",
    "before the flush",
    "after the flush",
    "after the commit",
)


async def die_at(step: str, tmp_path: Path, clock: FrozenClock) -> Path:
    """Return a store in which upload 1 was acknowledged, and power failed at `step` of upload 2."""
    data, left = tmp_path / "data", tmp_path / "left"
    armed = False

    def at(reached: str) -> None:
        if armed and reached == step:
            copy_as_left(data, left)

    def on_records(records: Sequence[Record]) -> None:
        at("after the commit")

    async with opened(data, clock, on_records=on_records, disk=WatchedDisk(at)) as store:
        await store.records.append(batch(clock, 1))
        armed = True
        gate = BlockingJob()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, gate)
            await gate.entered.wait()
            # Both in the next group.
            nursery.start_soon(store.records.append, batch(clock, 2))
            nursery.start_soon(store.write, lambda connection: at("before the rows are complete"))
            await trio.testing.wait_all_tasks_blocked()
            gate.open()
    return left


async def acknowledged_is_whole(store: Store, clock: FrozenClock) -> None:
    assert await is_whole(store, 1, batch(clock, 1).uploads[0])
    assert store.retention.days()[0].records == store.records.last_seq
    assert store.health == StoreHealth()


@pytest.mark.parametrize("step", STEPS)
async def test_a_power_failure_at_any_step_of_a_group_loses_nothing_acknowledged(
    step: str, tmp_path: Path, clock: FrozenClock
) -> None:
    left = await die_at(step, tmp_path, clock)
    async with opened(left, clock) as store:
        assert not store.clean_start
        await acknowledged_is_whole(store, clock)
        was_committed = step == "after the commit"
        assert store.records.last_seq == (2 if was_committed else 1)
        assert (await store.records.get(2) is not None) == was_committed
        assert pack_size(left) == store.retention.days()[0].bytes
        again = await store.records.append(batch(clock, 2))
        assert again.seqs == (2,)
        assert again.repeated == was_committed
        assert await is_whole(store, 2, batch(clock, 2).uploads[0])


async def test_each_combination_of_what_arrived_of_a_group_is_as_before_it_or_whole(
    tmp_path: Path, clock: FrozenClock
) -> None:
    """The pack is flushed before the log is written: the one in part, the other as before, or
    the one whole, the other in any state.
    """
    before = await die_at("before the pack is written", tmp_path, clock)
    left = await die_at("after the commit", tmp_path / "again", clock)
    whole, start = pack_size(left), pack_size(before)
    wal_start = (before / "hub.sqlite-wal").stat().st_size
    wal_whole = (left / "hub.sqlite-wal").stat().st_size
    packs = [start, start + 1, start + 60, start + 100, start + 2000, whole - 1, whole]
    logs = range(wal_start, wal_whole, (wal_whole - wal_start) // 6)
    for number, (pack, wal) in enumerate(
        [*((pack, wal_start) for pack in packs), *((whole, wal) for wal in logs)]
    ):
        cut = tmp_path / f"cut{number}"
        shutil.copytree(left, cut)
        os.truncate(cut / "media" / "2026-11-25.pack", pack)
        os.truncate(cut / "hub.sqlite-wal", wal)
        async with opened(cut, clock) as store:
            await acknowledged_is_whole(store, clock)
            assert store.records.last_seq == 1
            assert pack_size(cut) == store.retention.days()[0].bytes
            assert (await store.records.append(batch(clock, 2))).seqs == (2,)
            assert await is_whole(store, 2, batch(clock, 2).uploads[0])


async def test_a_wal_truncated_within_a_group_loses_only_that_group(
    tmp_path: Path, clock: FrozenClock
) -> None:
    left = await die_at("after the commit", tmp_path, clock)
    before = await die_at("after the flush", tmp_path / "again", clock)
    whole = (left / "hub.sqlite-wal").stat().st_size
    start = (before / "hub.sqlite-wal").stat().st_size
    assert whole > start
    for number, size in enumerate(range(start, whole, (whole - start) // 8)):
        cut = tmp_path / f"cut{number}"
        shutil.copytree(left, cut)
        with (cut / "hub.sqlite-wal").open("r+b") as file:
            file.truncate(size)
        async with opened(cut, clock) as store:
            await acknowledged_is_whole(store, clock)
            assert store.records.last_seq == 1
            assert await store.pictures.read(2, "face") is None
            assert pack_size(cut) == store.retention.days()[0].bytes


async def test_a_pack_of_a_day_that_was_never_committed_is_removed(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock):
        pass
    (data / "media" / "2026-11-26.pack").write_bytes(b"half a picture")
    async with opened(data, clock) as store:
        assert store.retention.days() == []
    assert pack_size(data) == 0


@pytest.mark.expects_error("pictures are lost")
@pytest.mark.parametrize("lost", ["a part", "all"])
async def test_a_truncated_pack_is_reported_and_its_rest_is_served(
    lost: str, tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1))
        await store.records.append(batch(clock, 2))
        end = store.retention.days()[0].bytes
    pack = data / "media" / "2026-11-25.pack"
    if lost == "all":
        pack.unlink()
    else:
        with pack.open("r+b") as file:
            file.truncate(end - 800)  # the record of 2 and part of a picture
    async with opened(data, clock) as store:
        assert "2026-11-25" in store.health.lost
        assert store.health.can_store
        assert await is_whole(store, 1, batch(clock, 1).uploads[0]) == (lost == "a part")
        assert await store.pictures.read(2, "background") is None
        await store.records.append(batch(clock, 3))
        assert await is_whole(store, 3, batch(clock, 3).uploads[0])


@pytest.mark.expects_error("does not hold the pictures")
async def test_a_corrupted_picture_is_detected_and_not_served(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1))
        with (data / "media" / "2026-11-25.pack").open("r+b") as file:
            file.seek(200)
            file.write(b"x")
        assert await store.pictures.read(1, "face") is None
        assert await store.pictures.read(1, "body") is not None
        assert "2026-11-25.pack" in store.health.lost


async def test_the_headers_of_a_pack_list_its_pictures_without_the_database(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        for seed in (1, 2):
            await store.records.append(batch(clock, seed))
        end = store.retention.days()[0].bytes
    pack = data / "media" / "2026-11-25.pack"
    listed = list(entries(pack, end))
    assert [entry.name for entry in listed] == ["face", "body", "background"] * 2
    assert [entry.digest for entry in listed] == [
        batch(clock, n).digest for n in (1, 1, 1, 2, 2, 2)
    ]
    assert all(entry.is_sound for entry in listed)


async def test_a_seq_is_never_reused_even_after_the_newest_records_were_dropped(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        for seed in (1, 2, 3):
            await store.records.append(batch(clock, seed))
        clock.advance(86_400)
        await drop_day(store, "2026-11-25")
        assert store.records.last_seq == 3
    async with opened(data, clock) as store:
        assert store.records.last_seq == 3
        assert (await store.records.append(batch(clock, 4))).seqs == (4,)


async def test_midnight_in_utc_starts_a_new_pack(tmp_path: Path, clock: FrozenClock) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1))
        clock.advance(12 * 3600 - 0.001)
        await store.records.append(batch(clock, 2))
        clock.advance(0.001)
        await store.records.append(batch(clock, 3))
        assert [(day.day, day.records) for day in store.retention.days()] == [
            ("2026-11-25", 2),
            ("2026-11-26", 1),
        ]
        for seed in (1, 2, 3):
            assert await is_whole(store, seed, batch(clock, seed, occurred_at=0).uploads[0])
