"""Reading pictures, and dropping days."""

from __future__ import annotations

import errno
import itertools
import os
import sqlite3
import threading
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from msgspec import Raw

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource, TooManyRequests
from hub.store.commit import steps
from hub.store.health import StoreHealth
from hub.store.media import pictures
from hub.store.records import retention
from hub.store.records.record_filter import RecordFilter
from hub.store.sqlite.connection import Job
from hub.wire.uploads.records import FaceDetail
from tests.support.clock import FrozenClock
from tests.support.stores import (
    FaultyDisk,
    batch,
    batch_of,
    copy_as_left,
    drop_day,
    is_whole,
    opened,
    upload,
)

DAY = 86_400


async def test_reading_a_missing_picture_returns_none(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await store.records.append(batch(clock, 1, pictures=1))
        assert await store.pictures.read(1, "body") is None
        assert await store.pictures.read(2, "face") is None
        assert await store.pictures.read(2**70, "face") is None


async def test_a_pack_that_cannot_be_opened_for_lack_of_files_is_not_damaged(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_file_left(*where: object) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async with opened(tmp_path / "data", clock) as store:
        await store.records.append(batch(clock, 1))
        with monkeypatch.context() as patch:
            patch.setattr(pictures, "read_at", no_file_left)
            with pytest.raises(TooManyRequests):
                await store.pictures.read(1, "face")
        assert store.health == StoreHealth()
        assert await is_whole(store, 1, batch(clock, 1).uploads[0])


async def test_different_pictures_have_different_etags(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await store.records.append(batch(clock, 1))
        face = await store.pictures.read(1, "face")
        body = await store.pictures.read(1, "body")
        again = await store.pictures.read(1, "face")
        assert face is not None
        assert body is not None
        assert face == again
        assert face.etag != body.etag


async def test_dropping_a_day_removes_its_pictures_and_records(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1, detail=FaceDetail(name="Only today")))
        await store.records.append(batch(clock, 2))
        clock.advance(DAY)
        await store.records.append(batch(clock, 3))
        await drop_day(store, "2026-11-25")
        assert [day.day for day in store.retention.days()] == ["2026-11-26"]
        assert not (data / "media" / "2026-11-25.pack").exists()
        page = await store.records.page(RecordFilter())
        assert [item.seq for item in page.items] == [3]
        assert await store.pictures.read(1, "face") is None
        assert await is_whole(store, 3, batch(clock, 3).uploads[0])
        assert await store.read(_leftovers) == [0, 0, 0]
        # Its digests are removed too: the same upload is not a repeat any more.
        assert not (await store.records.append(batch(clock, 2))).repeated


def _leftovers(connection: sqlite3.Connection) -> list[int]:
    return [
        connection.execute(f"SELECT count(*) FROM {rows}").fetchone()[0]
        for rows in (
            "dropped_day",
            "upload WHERE first_seq < 3",
            "term WHERE folded = 'only today'",
        )
    ]


async def test_only_a_past_day_in_the_log_can_be_dropped(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await store.records.append(batch(clock, 1))
        with pytest.raises(BadParameter, match="day"):
            await drop_day(store, "2026-11-25")
        with pytest.raises(NoSuchResource):
            await drop_day(store, "2026-11-24")
        assert await is_whole(store, 1, batch(clock, 1).uploads[0])


async def test_a_record_whose_pack_was_removed_has_no_pictures(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1))
        clock.advance(DAY)
        # As if the process ended after it removed the pack, before the records.
        monkeypatch.setattr(retention.Retention, "finish_drops", _nothing)
        await drop_day(store, "2026-11-25")
        stored = await store.records.get(1)
        assert stored is not None
        assert stored.images == ()
        assert await store.pictures.read(1, "face") is None
        assert store.health == StoreHealth()


async def _nothing(self: retention.Retention) -> None:
    await trio.lowlevel.checkpoint()


async def test_an_interrupted_drop_is_finished_after_the_next_start(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    with monkeypatch.context() as patch:
        patch.setattr(retention.Retention, "finish_drops", _nothing)
        async with opened(data, clock) as store:
            await store.records.append(batch(clock, 1))
            clock.advance(DAY)
            await drop_day(store, "2026-11-25")
            left = copy_as_left(data, tmp_path / "left")
    # On Windows a reader may have kept the pack.
    (left / "media" / "2026-11-25.pack").write_bytes(b"pictures")
    async with opened(left, clock) as store:
        await store.retention.finish_drops()  # waits for the one begun by the start
        assert await store.records.get(1) is None
        assert not (left / "media" / "2026-11-25.pack").exists()
        assert store.health == StoreHealth()


async def test_a_day_is_gone_from_the_disk_while_the_rows_of_others_still_wait(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    media = data / "media"

    async def never_done(self: retention.Retention) -> None:
        await trio.sleep_forever()

    with monkeypatch.context() as patch:
        patch.setattr(retention.Retention, "finish_drops", never_done)
        async with opened(data, clock) as store:
            for seed in range(3):
                await store.records.append(batch(clock, seed))
                clock.advance(DAY)
            for day in ("2026-11-25", "2026-11-26"):
                await store.retention.forget_day(day)
                assert not (media / f"{day}.pack").exists()
            assert not list(media.glob("*.dropped"))
            assert [use.day for use in store.retention.days()] == ["2026-11-27"]
            assert await store.records.get(1) is not None
            left = copy_as_left(data, tmp_path / "left")
    async with opened(left, clock) as store:
        await store.retention.finish_drops()
        assert [item.seq for item in (await store.records.page(RecordFilter())).items] == [3]
        assert store.health == StoreHealth()


@pytest.mark.parametrize(
    "fault",
    [
        CannotStoreNow("the disk is full"),
        TooManyRequests("no reader is free"),
        OSError(errno.EIO, os.strerror(errno.EIO)),
        sqlite3.OperationalError("a fault that is none of the disk"),
    ],
)
async def test_the_store_removes_the_rows_of_forgotten_days_by_itself_also_after_a_fault(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(retention, "_RETRY_SECONDS", 0.0)
    finish = retention.Retention.finish_drops
    attempts = itertools.count()
    done = trio.Event()

    async def fails_once(self: retention.Retention) -> None:
        if next(attempts) == 0:
            raise fault
        await finish(self)
        done.set()

    monkeypatch.setattr(retention.Retention, "finish_drops", fails_once)
    async with opened(tmp_path / "data", clock) as store:
        await store.records.append(batch(clock, 1))
        clock.advance(DAY)
        await store.retention.forget_day("2026-11-25")
        with trio.fail_after(10):
            await done.wait()
        assert await store.records.get(1) is None


async def test_records_are_removed_in_many_short_steps(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "_MIN_SECONDS", 0.0)
    monkeypatch.setattr(steps, "_MAX_SECONDS", 0.0)
    changes: list[int] = []
    for_a_while = steps._repeat

    def counted(
        step: steps.Step, start: int, seconds: float, connection: sqlite3.Connection
    ) -> steps._Done:
        before = connection.total_changes
        done = for_a_while(step, start, seconds, connection)
        changes.append(connection.total_changes - before)
        return done

    monkeypatch.setattr(steps, "_repeat", counted)
    async with opened(tmp_path / "data", clock) as store:
        entries = tuple(upload(clock, pictures=0) for _ in range(300))
        await store.records.append(batch_of(clock, entries, seed=1))
        clock.advance(DAY)
        await drop_day(store, "2026-11-25")
        assert (await store.records.page(RecordFilter())).items == ()
    assert max(changes) <= 4 * 20 + 4  # each with its counts; a digest, a span, ended counts
    assert len(changes) >= 15


async def test_uploads_go_on_while_a_day_is_dropped(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        entries = tuple(upload(clock, pictures=0) for _ in range(3000))
        await store.records.append(batch_of(clock, entries, seed=1))
        clock.advance(DAY)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drop_day, store, "2026-11-25")
            for seed in range(10, 30):
                await store.records.append(batch(clock, seed))
        page = await store.records.page(RecordFilter())
        assert [item.seq for item in page.items] == list(range(3001, 3021))


async def test_a_clock_set_back_to_a_dropped_day_writes_a_new_pack(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await store.records.append(batch(clock, 1))
        clock.advance(DAY)
        await store.records.append(batch(clock, 2))
        await drop_day(store, "2026-11-25")
        clock.advance(-DAY)
        await store.records.append(batch(clock, 3))
        assert await is_whole(store, 3, batch(clock, 3).uploads[0])
        clock.advance(DAY)
        await drop_day(store, "2026-11-25")
        page = await store.records.page(RecordFilter())
        assert [item.seq for item in page.items] == [2]


async def test_records_being_written_when_their_day_ends_are_dropped_with_it(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await store.records.append(batch(clock, 1))
        writing, dropping = threading.Event(), threading.Event()

        def hold_the_group(connection: sqlite3.Connection) -> None:
            writing.set()
            assert dropping.wait(10)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, hold_the_group)
            nursery.start_soon(store.records.append, batch(clock, 2))
            assert await trio.to_thread.run_sync(writing.wait, 10)
            clock.advance(DAY)
            nursery.start_soon(drop_day, store, "2026-11-25")
            await trio.testing.wait_all_tasks_blocked()
            dropping.set()
        assert store.retention.days() == []
        assert (await store.records.page(RecordFilter())).items == ()


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
async def test_a_day_can_be_dropped_from_a_full_disk(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting the pack makes the room that the database needs to forget it."""
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1))
        clock.advance(DAY)
        write = store._writer.write
        pack = data / "media" / "2026-11-25.pack"

        def write_while_full(job: Job[object], **hooks: Any) -> Awaitable[object]:
            def full(connection: sqlite3.Connection) -> object:
                done = job(connection)
                if pack.exists():
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return done

            return write(full, **hooks)

        monkeypatch.setattr(store._writer, "write", write_while_full)
        await drop_day(store, "2026-11-25")
        assert store.retention.days() == []
        assert await store.records.get(1) is None


async def test_pages_of_dropped_records_are_returned_to_the_file_system(
    tmp_path: Path, clock: FrozenClock
) -> None:
    def pages(connection: sqlite3.Connection) -> tuple[int, int]:
        count = connection.execute("PRAGMA page_count").fetchone()[0]
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        return count, free

    async with opened(tmp_path / "data", clock, disk=FaultyDisk()) as store:
        extra = Raw(b'{"pad":"%s"}' % (b"x" * 4000))
        entries = tuple(upload(clock, pictures=0, extra=extra) for _ in range(300))
        await store.records.append(batch_of(clock, entries, seed=1))
        before, _ = await store.read(pages)
        clock.advance(DAY)
        await drop_day(store, "2026-11-25")
        after, free = await store.read(pages)
        assert after < before / 2
        assert free * 4 <= after
