"""Packs that go: of dropped days, also from a full disk or under readers, and deleted by others."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
import trio

from hub.errors import CannotStoreNow
from hub.store.health import StoreHealth
from hub.store.records import retention
from hub.store.records.record_filter import RecordFilter
from tests.support.clock import FrozenClock
from tests.support.failing_commits import FailingCommits
from tests.support.stores import FaultyDisk, batch, drop_day, is_whole, opened

DAY = 86_400
PACK = Path("media", "2026-11-25.pack")
FAILURE = "nothing can be stored now: the disk reports an input/output error"


@pytest.mark.expects_error(FAILURE)
async def test_a_picture_read_while_a_full_disk_drops_its_day_is_no_damage(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = FailingCommits()
    commits.install(monkeypatch)
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
        clock.advance(DAY)
        await store.records.append(batch(clock, 2))
        commits.failing = True
        with pytest.raises(CannotStoreNow):
            await drop_day(store, "2026-11-25")
        # Its pack went to make room, and the database could not even then be written.
        assert not (tmp_path / PACK).exists()
        assert await store.pictures.read(1, "face") is None
        assert store.health.damaged == ""
        assert store.health.lost == ""
        # It is tried again, as long as the database still has the day.
        assert [day.day for day in store.retention.days()] == ["2026-11-25", "2026-11-26"]
        commits.failing = False
        await drop_day(store, "2026-11-25")
        assert [day.day for day in store.retention.days()] == ["2026-11-26"]
        assert await is_whole(store, 2, batch(clock, 2, occurred_at=None).uploads[0])


@pytest.mark.expects_error(FAILURE)
async def test_a_day_whose_pack_went_to_make_room_is_dropped_by_the_next_start(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        commits = FailingCommits()
        commits.install(patch)
        async with opened(tmp_path, clock) as store:
            await store.records.append(batch(clock, 1))
            clock.advance(DAY)
            await store.records.append(batch(clock, 2))
            commits.failing = True
            with pytest.raises(CannotStoreNow):
                await drop_day(store, "2026-11-25")
    async with opened(tmp_path, clock) as store:
        assert store.health == StoreHealth()
        assert [day.day for day in store.retention.days()] == ["2026-11-26"]
        await store.retention.finish_drops()
        page = await store.records.page(RecordFilter())
        assert [record.seq for record in page.items] == [2]
    assert [path.name for path in (tmp_path / "media").glob("*-*")] == ["2026-11-26.pack"]


@pytest.mark.expects_error(FAILURE)
async def test_a_clock_set_back_to_a_day_whose_pack_went_begins_it_anew(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = FailingCommits()
    commits.install(monkeypatch)
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
        clock.advance(DAY)
        await store.records.append(batch(clock, 2))
        commits.failing = True
        with pytest.raises(CannotStoreNow):
            await drop_day(store, "2026-11-25")
        commits.failing = False
        clock.advance(-DAY)
        await store.records.append(batch(clock, 3))
        assert await is_whole(store, 3, batch(clock, 3).uploads[0])
        (old, _) = store.retention.days()
        assert (old.day, old.records, old.first_seq) == ("2026-11-25", 1, 3)
        assert await store.pictures.read(1, "face") is None
        assert store.health == StoreHealth()
    async with opened(tmp_path, clock) as store:
        assert await is_whole(store, 3, batch(clock, 3).uploads[0])
        assert store.health == StoreHealth()


async def test_a_clock_set_back_to_a_day_being_deleted_writes_into_another_file(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = retention.remove_dropped
    deleting, go_on = trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def slow(media: Path) -> None:
        token.run_sync_soon(deleting.set)
        assert go_on.wait(10)
        remove(media)

    monkeypatch.setattr(retention, "remove_dropped", slow)
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
        clock.advance(DAY)
        await store.records.append(batch(clock, 2))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drop_day, store, "2026-11-25")
            await deleting.wait()
            clock.advance(-DAY)
            await store.records.append(batch(clock, 3))
            go_on.set()
        assert await is_whole(store, 3, batch(clock, 3).uploads[0])
    async with opened(tmp_path, clock) as store:
        assert await is_whole(store, 3, batch(clock, 3).uploads[0])
        assert store.health == StoreHealth()


async def test_a_pack_that_cannot_be_renamed_is_known_as_dropped_until_it_is_gone(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows a file that is being read can be neither renamed nor deleted."""

    def in_use(path: Path, target: Path) -> Path:
        raise PermissionError(13, "in use")

    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
        clock.advance(DAY)
        await store.records.append(batch(clock, 2))
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", in_use)
            await drop_day(store, "2026-11-25")
        assert (tmp_path / PACK).exists()
        dropped = await store.read(lambda c: c.execute("SELECT day FROM dropped_day").fetchall())
        assert dropped == [("2026-11-25",)]
    async with opened(tmp_path, clock) as store:
        assert not (tmp_path / PACK).exists()
        await store.retention.finish_drops()
        assert await store.read(lambda c: c.execute("SELECT * FROM dropped_day").fetchall()) == []


@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS, errno.EACCES])
async def test_a_pack_that_cannot_be_deleted_now_is_deleted_by_the_next_start(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fails(path: Path, missing_ok: bool = False) -> None:
        raise OSError(code, os.strerror(code))

    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
        clock.advance(DAY)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", fails)
            await drop_day(store, "2026-11-25")
        assert [path.name for path in (tmp_path / "media").glob("*-*")] == ["2026-11-25.dropped"]
    async with opened(tmp_path, clock) as store:
        assert list((tmp_path / "media").glob("*-*")) == []
        assert store.health == StoreHealth()


async def test_a_pack_that_could_not_be_renamed_is_begun_anew_by_a_clock_set_back(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_use(path: Path, target: Path) -> Path:
        raise PermissionError(13, "in use")

    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
        await store.records.append(batch(clock, 2))
        clock.advance(DAY)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", in_use)
            await drop_day(store, "2026-11-25")
            clock.advance(-DAY)
            await store.records.append(batch(clock, 3))
        assert await is_whole(store, 3, batch(clock, 3).uploads[0])
        (day,) = store.retention.days()
        assert (tmp_path / PACK).stat().st_size == day.bytes
    async with opened(tmp_path, clock) as store:
        await store.retention.finish_drops()
        assert await is_whole(store, 3, batch(clock, 3).uploads[0])


@pytest.mark.expects_error("pictures are lost: the pictures of 2026-11-25 are missing")
async def test_a_pack_that_was_deleted_under_the_hub_stays_known_as_missing(
    tmp_path: Path, clock: FrozenClock
) -> None:
    disk = FaultyDisk()
    async with opened(tmp_path, clock, disk=disk) as store:
        await store.records.append(batch(clock, 1))
        clock.advance(DAY)
        await store.records.append(batch(clock, 2))
        (tmp_path / PACK).unlink()
        disk.flushed_directories.clear()
        clock.advance(-DAY)
        await store.records.append(batch(clock, 3))
        assert disk.flushed_directories == ["media"]
        assert "2026-11-25 are missing" in store.health.lost
        assert await is_whole(store, 3, batch(clock, 3).uploads[0])
    async with opened(tmp_path, clock) as store:
        assert "2026-11-25 are missing" in store.health.lost
        assert await is_whole(store, 3, batch(clock, 3).uploads[0])
