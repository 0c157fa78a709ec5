"""At a start only what was never acknowledged goes; anything else stops it and stays as it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import trio

from hub.errors import StartFault
from hub.store.disk import Disk
from hub.store.startup import prepare
from tests.support.clock import FrozenClock
from tests.support.stores import batch, copy_as_left, drop_day, is_whole, opened, pack_size

DATABASE, WAL = "hub.sqlite", "hub.sqlite-wal"


_FRAME_BYTES = 24 + 4096


async def filled(data: Path, clock: FrozenClock, seeds: range) -> None:
    """Run a hub that stores these uploads and ends properly."""
    async with opened(data, clock) as store:
        for seed in seeds:
            await store.records.append(batch(clock, seed))


async def killed(data: Path, left: Path, clock: FrozenClock, seeds: range) -> Path:
    """Return a copy of the directory as a kill -9 after these uploads leaves it."""
    async with opened(data, clock) as store:
        for seed in seeds:
            await store.records.append(batch(clock, seed))
        return copy_as_left(data, left)


async def refused(data: Path, clock: FrozenClock, match: str) -> None:
    """Expect that the start stops with one sentence, and changes nothing."""
    before = content(data)
    with pytest.raises(StartFault, match=match) as fault:
        async with opened(data, clock):
            pass
    assert "\n" not in str(fault.value)
    assert content(data) == before


def content(data: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")
    }


def copy_back(source: Path, data: Path, *names: str) -> None:
    for name in (DATABASE, WAL):
        (data / name).unlink(missing_ok=True)
    for name in names:
        shutil.copy(source / name, data / name)


async def test_a_clean_end_leaves_no_wal(tmp_path: Path, clock: FrozenClock) -> None:
    await filled(tmp_path, clock, range(1, 4))
    assert not (tmp_path / WAL).exists()
    with closing(sqlite3.connect(f"file:{tmp_path / DATABASE}?immutable=1", uri=True)) as reader:
        assert reader.execute("SELECT count(*) FROM record").fetchone() == (3,)


@pytest.mark.parametrize("behind", [1, 2, 5])
async def test_an_older_database_put_back_stops_the_start(
    behind: int, tmp_path: Path, clock: FrozenClock
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(3))
    shutil.copytree(data, copy)
    await filled(data, clock, range(3, 3 + behind))
    copy_back(copy, data, DATABASE)
    await refused(data, clock, r"hub\.sqlite is older than its pictures.*doctor --rebuild")


async def test_an_older_copy_of_a_running_database_stops_the_start(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    copy = await killed(data, tmp_path / "copy", clock, range(3))
    left = await killed(data, tmp_path / "left", clock, range(3, 8))
    copy_back(copy, left, DATABASE, WAL)
    await refused(left, clock, "is older than its pictures")


async def test_an_older_database_stops_the_start_also_if_its_day_is_unknown(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(3))
    shutil.copytree(data, copy)
    clock.advance(86_400)
    await filled(data, clock, range(3, 4))
    copy_back(copy, data, DATABASE)
    await refused(data, clock, "is older than its pictures: it does not know records of 2026-11-26")


@pytest.mark.parametrize("uploads", [1, 5])
async def test_a_lost_wal_stops_the_start(uploads: int, tmp_path: Path, clock: FrozenClock) -> None:
    data = tmp_path / "data"
    await filled(data, clock, range(2))
    left = await killed(data, tmp_path / "left", clock, range(2, 2 + uploads))
    wal = (left / WAL).read_bytes()
    (left / WAL).unlink()
    await refused(left, clock, r"hub\.sqlite-wal is missing, or cut.*2026-11-25\.pack")
    for size in (0, 1, 31):
        (left / WAL).write_bytes(wal[:size])
        await refused(left, clock, r"hub\.sqlite-wal is missing, or cut off, although")


async def test_a_lost_wal_that_held_no_records_does_not_stop_the_start(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    await filled(data, clock, range(2))
    left = await killed(data, tmp_path / "left", clock, range(0))
    (left / WAL).unlink()
    async with opened(left, clock) as store:
        assert store.records.last_seq == 2


async def test_the_wal_of_another_hub_stops_the_start(tmp_path: Path, clock: FrozenClock) -> None:
    one = await killed(tmp_path / "a", tmp_path / "one", clock, range(4))
    other = await killed(tmp_path / "b", tmp_path / "other", clock, range(7))
    shutil.copy(other / WAL, one / WAL)
    await refused(one, clock, r"hub\.sqlite-wal does not belong to .*hub\.sqlite")


async def test_an_older_wal_of_the_same_hub_stops_the_start(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    old = await killed(data, tmp_path / "old", clock, range(4))
    await filled(data, clock, range(4, 6))
    new = await killed(data, tmp_path / "new", clock, range(6, 9))
    shutil.copy(old / WAL, new / WAL)
    await refused(new, clock, r"hub\.sqlite-wal does not belong to")


@pytest.mark.parametrize("records", [0, 2])
async def test_an_older_wal_without_a_record_stops_the_start(
    records: int, tmp_path: Path, clock: FrozenClock
) -> None:
    data, old, new = tmp_path / "data", tmp_path / "old", tmp_path / "new"
    await filled(data, clock, range(records))
    async with opened(data, clock) as store:
        await store.settings.set("one", "1")
        copy_as_left(data, old)
        await store.settings.set("two", "2")
    async with opened(data, clock) as store:
        await store.settings.set("three", "3")
        copy_as_left(data, new)
    shutil.copy(old / WAL, new / WAL)
    await refused(new, clock, r"hub\.sqlite-wal does not belong to")


async def test_an_older_wal_of_the_same_run_stops_the_start(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub ran on, and what was in it is in the main file by now."""
    # Also if the next write is queued already: each is copied before the next one begins.
    for limit in ("_CHECKPOINT_PAGES", "_MAX_WAL_PAGES"):
        monkeypatch.setattr(f"hub.store.commit.group_commit.{limit}", 1)
    data, old, new = tmp_path / "data", tmp_path / "old", tmp_path / "new"
    async with opened(data, clock) as store:
        await store.settings.set("one", "1")
        copy_as_left(data, old)
        for number in range(5):
            await store.settings.set("two", str(number))
        copy_as_left(data, new)
    shutil.copy(old / WAL, new / WAL)
    await refused(new, clock, r"hub\.sqlite-wal does not belong to")


async def test_its_own_wal_is_never_taken_for_a_foreign_one(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.commit.group_commit._CHECKPOINT_PAGES", 3)
    data, left = tmp_path / "data", tmp_path / "left"
    for seed in range(4):
        async with opened(data, clock) as store:
            for number in range(5):
                await store.settings.set("number", f"{seed} {number}")
                if number % 2:
                    await store.records.append(batch(clock, 10 * seed + number))
                shutil.rmtree(left, ignore_errors=True)
                copy_as_left(data, left)
                async with opened(left, clock) as copy:
                    assert copy.settings.get("number") == f"{seed} {number}"


async def test_an_older_database_under_a_newer_wal_stops_the_start(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    await filled(data, clock, range(4))
    shutil.copytree(data, tmp_path / "old")
    await filled(data, clock, range(4, 6))
    new = await killed(data, tmp_path / "new", clock, range(6, 9))
    shutil.copy(tmp_path / "old" / DATABASE, new / DATABASE)
    await refused(new, clock, r"hub\.sqlite-wal does not belong to")


@pytest.mark.parametrize("left", ["nothing", "no bytes", "no tables"])
async def test_packs_without_their_database_stop_the_start(
    left: str, tmp_path: Path, clock: FrozenClock
) -> None:
    await filled(tmp_path, clock, range(2))
    (tmp_path / DATABASE).unlink()
    if left == "no bytes":
        (tmp_path / DATABASE).touch()
    if left == "no tables":
        with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
            connection.execute("CREATE TABLE x (y)")
            connection.execute("DROP TABLE x")
    match = {"nothing": "is missing", "no bytes": "is empty", "no tables": "holds no records"}
    await refused(tmp_path, clock, match[left])


async def test_an_empty_database_without_packs_is_a_new_hub(
    tmp_path: Path, clock: FrozenClock
) -> None:
    (tmp_path / DATABASE).touch()
    async with opened(tmp_path, clock) as store:
        assert store.records.last_seq == 0


async def test_the_pack_of_another_hub_stops_the_start(tmp_path: Path, clock: FrozenClock) -> None:
    await filled(tmp_path / "a", clock, range(2))
    clock.advance(86_400)
    await filled(tmp_path / "b", clock, range(2))
    shutil.copy(tmp_path / "b" / "media" / "2026-11-26.pack", tmp_path / "a" / "media")
    await refused(tmp_path / "a", clock, "does not know records of 2026-11-26.pack")


async def test_pictures_of_an_older_version_that_were_not_acknowledged_are_put_aside(
    tmp_path: Path, clock: FrozenClock
) -> None:
    await filled(tmp_path, clock, range(2))
    pack = tmp_path / "media" / "2026-11-25.pack"
    size, rest = pack.stat().st_size, b"SHP1" + bytes(500)
    with pack.open("ab") as file:
        file.write(rest)
    async with opened(tmp_path, clock) as store:
        assert await is_whole(store, 1, batch(clock, 0).uploads[0])
    assert pack.stat().st_size == size
    (aside,) = (tmp_path / "media" / "set-aside").iterdir()
    assert aside.name == f"2026-11-25.from-{size}.pack"
    assert aside.read_bytes() == rest


async def test_an_unknown_pack_of_an_older_version_stops_the_start(
    tmp_path: Path, clock: FrozenClock
) -> None:
    await filled(tmp_path, clock, range(2))
    (tmp_path / "media" / "2026-11-26.pack").write_bytes(b"SHP1" + bytes(500))
    await refused(tmp_path, clock, r"2026-11-26\.pack holds pictures of a day.*--set-aside")


async def test_the_pack_of_a_day_that_is_being_dropped_is_deleted(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    await filled(data, clock, range(2))
    pack = data / "media" / "2026-11-25.pack"
    kept = pack.read_bytes()
    clock.advance(86_400)
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 2))
        await drop_day(store, "2026-11-25")
    pack.write_bytes(kept)
    with closing(sqlite3.connect(data / DATABASE)) as connection, connection:
        connection.execute("INSERT INTO dropped_day VALUES (1, 2, '2026-11-25')")
    async with opened(data, clock) as store:
        assert store.records.last_seq == 3
        assert not pack.exists()


async def test_a_group_that_was_in_progress_is_cut_off(tmp_path: Path, clock: FrozenClock) -> None:
    """The pack was flushed, its COMMIT did not come: nothing of it was acknowledged."""
    data = tmp_path / "data"
    before = await killed(data, tmp_path / "before", clock, range(3))
    size = pack_size(before)
    after = await killed(data, tmp_path / "after", clock, range(3, 4))
    shutil.copy(after / "media" / "2026-11-25.pack", before / "media")
    assert pack_size(before) > size
    async with opened(before, clock) as store:
        assert store.records.last_seq == 3
        assert (await store.records.append(batch(clock, 3))).seqs == (4,)
        assert await is_whole(store, 4, batch(clock, 3).uploads[0])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize("where", ["media/2026-11-25.pack", "media/held/2026-11-25-1.pack"])
async def test_a_fifo_with_the_name_of_a_pack_stops_the_start(
    where: str, tmp_path: Path, clock: FrozenClock
) -> None:
    await filled(tmp_path, clock, range(1))
    (tmp_path / where).unlink(missing_ok=True)
    os.mkfifo(tmp_path / where)
    with trio.fail_after(20):
        await refused(tmp_path, clock, r"\.pack is not a regular file.*nothing was changed")


async def damaged_log(data: Path, left: Path, clock: FrozenClock) -> Path:
    """Return what a kill -9 leaves, with a bad byte in the commit of the last of four uploads.

    A setting was stored before it, and another one after it.
    """
    async with opened(data, clock) as store:
        for seed in range(3):
            await store.records.append(batch(clock, seed))
        await store.settings.set("before", "1")
        start = (data / WAL).stat().st_size
        await store.records.append(batch(clock, 3))
        await store.settings.set("after", "1")
        copy_as_left(data, left)
    wal = bytearray((left / WAL).read_bytes())
    wal[start + 1000] ^= 0x55
    (left / WAL).write_bytes(wal)
    return left


@pytest.mark.expects_error("hub.sqlite-wal is damaged: it lost changes that were committed")
@pytest.mark.parametrize("is_interrupted", [False, True])
async def test_a_damaged_log_is_told_and_its_records_come_from_the_packs(
    is_interrupted: bool, tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = await damaged_log(tmp_path / "data", tmp_path / "left", clock)
    wal = (left / WAL).read_bytes()
    if is_interrupted:
        with monkeypatch.context() as patch:
            patch.setattr("hub.store.recovery.rebuild._Replay.run", lambda self: {}[0])
            with pytest.raises(KeyError):
                prepare(left, os.urandom, Disk(), clock())
    async with opened(left, clock) as store:
        assert store.records.last_seq == 4
        assert await is_whole(store, 4, batch(clock, 3).uploads[0])
        assert (store.settings.get("before"), store.settings.get("after")) == ("1", None)
        assert store.changes_lost_since == clock.ms
        assert (await store.records.append(batch(clock, 3))).repeated
    async with opened(left, clock) as store:
        assert store.changes_lost_since == clock.ms
        await store.accept_lost()
        assert store.changes_lost_since is None
    async with opened(left, clock) as store:
        assert store.changes_lost_since is None
    (copy,) = (left / "media" / "set-aside").iterdir()
    assert copy.read_bytes() == wal


@pytest.mark.expects_error("hub.sqlite-wal is damaged: it lost changes that were committed")
@pytest.mark.parametrize("stored", [0, 2])
@pytest.mark.parametrize("zeros", [range(1), range(10, 11), range(512)], ids=repr)
async def test_a_log_whose_header_is_damaged_is_told_and_its_records_come_from_the_packs(
    zeros: range, stored: int, tmp_path: Path, clock: FrozenClock
) -> None:
    """SQLite ignores such a log; `stored` records are in the main file."""
    data = tmp_path / "data"
    await filled(data, clock, range(stored))
    for uploads in range(3):
        left = tmp_path / f"left {uploads}"
        shutil.copytree(data, tmp_path / f"data {uploads}")
        await killed(tmp_path / f"data {uploads}", left, clock, range(stored, stored + uploads))
        wal = bytearray((left / WAL).read_bytes())
        wal[zeros.start : zeros.stop] = bytes(len(zeros))
        (left / WAL).write_bytes(wal)
        async with opened(left, clock) as store:
            assert store.records.last_seq == stored + uploads
            for seed in range(stored + uploads):
                assert await is_whole(store, seed + 1, batch(clock, seed).uploads[0])
            assert store.changes_lost_since is not None


async def damaged_end(tmp_path: Path, clock: FrozenClock, last: str) -> tuple[Path, range]:
    """Return what a kill -9 leaves, and where the last transaction lies in the log."""
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1))
        start = (data / WAL).stat().st_size
        if last == "upload":
            await store.records.append(batch(clock, 2))
        else:
            await store.settings.set("after", "1")
        left = copy_as_left(data, tmp_path / "left")
    return left, range(start, (left / WAL).stat().st_size)


@pytest.mark.expects_error("hub.sqlite-wal is damaged: it lost changes that were committed")
@pytest.mark.parametrize("last", ["upload", "setting"])
async def test_a_bad_byte_in_any_frame_of_the_last_transaction_is_told(
    last: str, tmp_path: Path, clock: FrozenClock
) -> None:
    left, places = await damaged_end(tmp_path, clock, last)
    for number, frame in enumerate(places[::_FRAME_BYTES]):
        damaged = tmp_path / f"damaged {number}"
        shutil.copytree(left, damaged)
        wal = bytearray((damaged / WAL).read_bytes())
        wal[frame + 1000] ^= 0x55
        (damaged / WAL).write_bytes(wal)
        async with opened(damaged, clock) as store:
            assert store.changes_lost_since == clock.ms
            assert store.records.last_seq == (2 if last == "upload" else 1)
            if last == "upload":
                assert await is_whole(store, 2, batch(clock, 2).uploads[0])
                assert (await store.records.append(batch(clock, 2))).repeated


async def test_a_log_without_the_end_of_a_transaction_is_one_that_the_crash_interrupted(
    tmp_path: Path, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    left, places = await damaged_end(tmp_path, clock, "upload")
    os.truncate(left / WAL, places[-1])
    async with opened(left, clock) as store:
        assert store.records.last_seq == 1
        assert store.changes_lost_since is None
        assert not (await store.records.append(batch(clock, 2))).repeated
    (said,) = [one.getMessage() for one in caplog.records if "cut off" in one.getMessage()]
    assert "1 record of 2026-11-25" in said
