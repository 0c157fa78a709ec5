"""Backups of a hub whose disk cannot read parts of a pack."""

from __future__ import annotations

import io
import os
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import trio
from msgspec.structs import replace

from hub.errors import BackupFault, UnreadableDatabase
from hub.store.backup import generations as module
from hub.store.backup import unread as unread_module
from hub.store.backup.archive import HEAD, UNREAD, ArchiveSink, ArchiveWriter, read_archive
from hub.store.backup.files import read_steps
from hub.store.backup.generations import (
    Generation,
    oldest_removable,
    read_folder,
    to_remove,
)
from hub.store.backup.making import (
    FileBackup,
    SiteDescription,
    take_working_copy,
    working_folder,
    write_backup,
)
from hub.store.backup.pace import MAX_FAILING_SECONDS, STEP_BYTES, CopyingStopped, Pace
from hub.store.backup.restore import RestoreReport, opened_source, restore
from hub.store.backup.tar import is_safe_name
from hub.store.backup.unread import MAX_FAILED_READS, MAX_PARTS, Part, UnreadParts
from hub.store.db import Store
from hub.store.media.packs import known_images
from tests.store.backup.test_generations import Site, with_pack
from tests.support.backups import generation
from tests.support.bad_sectors import BadSectors
from tests.support.clock import FrozenClock
from tests.support.stores import is_whole, opened, upload

DAY = "2026-11-25"
PACK = f"media/{DAY}.pack"
NO_PACKS = (
    "media/nonsense.pack",
    "media/2026-02-31.pack",
    f"media/held/{DAY}.pack",
    f"media/held/{DAY}-{2**63}.pack",
    f"media/{DAY}.pack/x",
    f"media/{DAY}.txt",
    f"media/held/../{DAY}.pack",
)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> BadSectors:
    return BadSectors(monkeypatch)


@pytest.fixture(params=["linked", "copied"])
def site(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    store: Store,
    clock: FrozenClock,
) -> Site:
    same = request.param == "linked"
    monkeypatch.setattr(module, "is_on_same_disk", lambda folder, data_dir: same)
    return Site(tmp_path, store, clock)


def place(site: Site, seq: int) -> tuple[int, int]:
    """Return where the first picture of a record lies in its pack: its first byte, and its end."""
    with closing(sqlite3.connect(site.data / "hub.sqlite")) as connection:
        (images,) = connection.execute("SELECT images FROM record WHERE seq = ?", (seq,)).fetchone()
    first = known_images(images)[0]
    return first.offset, first.offset + first.size


def spoil(site: Site, disk: BadSectors, seq: int, *others: Path) -> None:
    """Make the sector in the middle of a record's first picture bad."""
    start, end = place(site, seq)
    for path in (site.data / PACK, *others):
        disk.parts[path] = [((start + end) // 2, (start + end) // 2 + 1)]


def linked(site: Site) -> list[Path]:
    """Return the other name that a pack has in the folder."""
    same = module.is_on_same_disk(site.folder, site.data)
    return [site.folder / "packs" / f"{DAY}.pack"] if same else []


def newest(site: Site) -> Generation:
    return read_folder(site.folder).generations[-1]


def put_back(path: Path, target: Path) -> RestoreReport:
    target.mkdir()
    with path.open("rb") as file:
        return restore(file, path, target, passphrase=None, force=False, pace=Pace())


async def whole_records(site: Site, target: Path, count: int) -> list[int]:
    """Return the records of a restored hub whose pictures are all there as they were sent."""
    async with opened(target, site.clock) as store:
        for seq in range(1, count + 1):
            assert await store.records.get(seq) is not None
        found = [
            seq
            for seq in range(1, count + 1)
            if await is_whole(store, seq, upload(site.clock, seed=seq))
        ]
        assert ("does not hold" in store.health.lost) == (len(found) < count)
    return found


@pytest.mark.expects_error("does not hold the pictures")
async def test_a_bad_sector_makes_a_backup_incomplete_and_not_fail(
    site: Site, disk: BadSectors, tmp_path: Path
) -> None:
    await site.add(1, 2, 3)
    spoil(site, disk, 2, *linked(site))
    path = await site.back_up()
    made = newest(site)
    assert (made.is_restorable, made.is_complete) == (True, False)
    (unread,) = made.unread
    assert unread.name == PACK
    assert 0 < unread.bytes <= 4096
    # A sector of 4096 bytes may hold more than one picture.
    assert 1 <= unread.records <= 3
    report = await trio.to_thread.run_sync(put_back, path, tmp_path / "new")
    assert report.unread == (unread,)
    found = await whole_records(site, tmp_path / "new", 3)
    assert 2 not in found
    assert len(found) == 3 - unread.records


@pytest.mark.expects_error("does not hold the pictures")
async def test_a_pack_that_lost_its_end_makes_a_backup_incomplete(
    site: Site, tmp_path: Path
) -> None:
    await site.add(1, 2, 3)
    pack = site.data / PACK
    start, end = place(site, 3)
    with pack.open("r+b") as file:
        file.truncate((start + end) // 2)
    path = await site.back_up()
    (unread,) = newest(site).unread
    assert unread.records == 1
    await trio.to_thread.run_sync(put_back, path, tmp_path / "new")
    assert await whole_records(site, tmp_path / "new", 3) == [1, 2]


@pytest.mark.parametrize("site", ["copied"], indirect=True)
async def test_what_an_older_copy_has_is_not_lost(
    site: Site, disk: BadSectors, tmp_path: Path
) -> None:
    await site.add(1, 2)
    await site.back_up()
    spoil(site, disk, 1)
    for seed in (3, 4):
        site.clock.advance(3600)
        await site.add(seed)
        path = await site.back_up()
        assert newest(site).is_complete
    assert disk.failed
    assert list(site.packs()) == [f"{DAY}.pack"]
    await trio.to_thread.run_sync(put_back, path, tmp_path / "new")
    assert await whole_records(site, tmp_path / "new", 4) == [1, 2, 3, 4]


@pytest.mark.parametrize("site", ["copied"], indirect=True)
async def test_an_older_copy_does_not_bring_back_what_was_erased_since(
    site: Site, disk: BadSectors
) -> None:
    await site.add(1, 2, 3)
    await site.back_up()
    pack = site.data / PACK
    start, end = place(site, 3)
    data = bytearray(pack.read_bytes())
    data[start:end] = bytes(end - start)
    pack.write_bytes(data)
    spoil(site, disk, 1)
    site.clock.advance(86_400)
    await site.back_up()
    assert not newest(site).is_complete
    copied = (site.folder / "packs" / f"{DAY}.2.pack").read_bytes()
    assert copied[start:end] == bytes(end - start)


@pytest.mark.parametrize("site", ["copied"], indirect=True)
async def test_a_sector_that_can_be_read_again_completes_the_next_backup(
    site: Site, disk: BadSectors, tmp_path: Path
) -> None:
    await site.add(1, 2)
    spoil(site, disk, 1)
    await site.back_up()
    site.clock.advance(60)
    await site.add(3)
    await site.back_up()
    assert len(newest(site).unread[0].parts) == 1
    disk.parts.clear()
    site.clock.advance(60)
    path = await site.back_up()
    assert newest(site).is_complete
    await trio.to_thread.run_sync(put_back, path, tmp_path / "new")
    assert await whole_records(site, tmp_path / "new", 3) == [1, 2, 3]


@pytest.mark.expects_error("does not hold the pictures")
async def test_a_copy_that_cannot_be_read_at_its_restore_is_restored_without_that_part(
    site: Site, disk: BadSectors, tmp_path: Path
) -> None:
    await site.add(1, 2)
    path = await site.back_up()
    spoil(site, disk, 2, site.folder / "packs" / f"{DAY}.pack")
    report = await trio.to_thread.run_sync(put_back, path, tmp_path / "new")
    assert report.unread[0].records >= 1
    assert 2 not in await whole_records(site, tmp_path / "new", 2)


@pytest.mark.expects_error("does not hold the pictures")
async def test_a_backup_in_one_file_names_what_it_lacks(
    site: Site, disk: BadSectors, tmp_path: Path
) -> None:
    await site.add(1, 2, 3)
    spoil(site, disk, 2)
    file = tmp_path / "one.backup"

    def write() -> FileBackup:
        description, pace = SiteDescription("Harbour", (), site.clock()), Pace()
        with working_folder(site.data) as work, file.open("wb") as sink:
            copy = take_working_copy(site.data, work, pace, 0)
            return write_backup(
                sink, site.data, copy, description, pictures=True, passphrase=None, pace=pace
            )

    made = await trio.to_thread.run_sync(write)
    (unread,) = made.omitted.unread
    archive = read_archive(
        opened_source(io.BytesIO(file.read_bytes()), None), ArchiveSink(), Pace()
    )
    assert archive.unread == (unread,)
    report = await trio.to_thread.run_sync(put_back, file, tmp_path / "new")
    assert report.unread == (unread,)
    assert not (tmp_path / "new" / "unread.json").exists()
    assert 2 not in await whole_records(site, tmp_path / "new", 3)


async def test_an_unreadable_page_of_the_database_is_told_from_a_fault_of_the_folder(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.add(1)
    failing = sqlite3.OperationalError("disk I/O error")
    failing.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ

    def fail(*args: object) -> None:
        raise failing

    monkeypatch.setattr("hub.store.backup.snapshot._copy", fail)
    with pytest.raises(UnreadableDatabase, match="cannot be copied: the disk reports an input"):
        await site.back_up()


async def test_a_file_that_cannot_be_read_is_named(site: Site, disk: BadSectors) -> None:
    await site.add(1)
    release = site.data / "firmware" / "0"
    release.parent.mkdir(exist_ok=True)
    release.write_bytes(b"x" * 100)
    disk.parts[release] = [(0, 100)]
    archive = ArchiveWriter(io.BytesIO(), 0)
    with pytest.raises(BackupFault, match="firmware/0 cannot be read: Input/output error"):
        archive.add_file("firmware/0", release, 100, Pace())


@pytest.mark.parametrize(
    "parts",
    [
        [{"start": -1, "bytes": 5}],
        [{"start": 0, "bytes": 0}],
        [{"start": 10**9, "bytes": 1}],
        [{"start": at, "bytes": 1} for at in range(0, 2 * MAX_PARTS + 2, 2)],
        [{"start": 10, "bytes": 1}, {"start": 0, "bytes": 1}],
        [{"start": 0, "bytes": 2}, {"start": 1, "bytes": 2}],
    ],
)
async def test_unread_parts_that_no_hub_wrote_make_a_generation_a_bad_one(
    site: Site, parts: list[dict[str, int]]
) -> None:
    await site.add(1)
    with_pack(await site.back_up(), {"unread": parts})
    assert not newest(site).is_restorable


@pytest.mark.parametrize("name", NO_PACKS)
async def test_a_generation_with_a_pack_that_is_none_is_a_bad_one(site: Site, name: str) -> None:
    await site.add(1)
    with_pack(await site.back_up(), {"name": name})
    assert "damaged" in str(newest(site).problem)


def unread_of(name: str, *parts: tuple[int, int], records: int = 1) -> dict[str, object]:
    listed = [{"start": start, "bytes": size} for start, size in parts]
    return {"name": name, "parts": listed, "records": records}


@pytest.mark.parametrize(
    "unread",
    [
        *([unread_of(name, (0, 1))] for name in NO_PACKS),
        [unread_of("media/2026-11-26.pack", (0, 1))],
        [unread_of(PACK, (-1, 5))],
        [unread_of(PACK, (0, 0))],
        [unread_of(PACK, (99_999, 2))],
        [unread_of(PACK, (10, 1), (0, 1))],
        [unread_of(PACK, *((at, 1) for at in range(0, 2 * MAX_PARTS + 2, 2)))],
        [unread_of(PACK, (0, 1), records=-1)],
        [unread_of(PACK, (0, 1))] * 2,
    ],
)
def test_unread_parts_that_no_hub_wrote_make_a_backup_in_one_file_a_damaged_one(
    unread: list[dict[str, object]],
) -> None:
    head = generation(0).head
    assert head is not None
    archive = ArchiveWriter(file := io.BytesIO(), 0)
    archive.add_bytes(HEAD, msgspec.json.encode(replace(head, kind="file", packs=())))
    for pack in (PACK, *NO_PACKS):
        if is_safe_name(pack):
            archive.add_bytes(pack, bytes(100_000))
    archive.add_bytes(UNREAD, msgspec.json.encode(unread))
    archive.finish()
    with pytest.raises(BackupFault, match=r"its unread\.json cannot be read"):
        read_archive(io.BytesIO(file.getvalue()), ArchiveSink(), Pace())


# -- reading


def test_only_the_sectors_that_cannot_be_read_are_zero(tmp_path: Path, disk: BadSectors) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 600_000)
    disk.parts[path] = [(5000, 5001), (300_000, 309_000)]
    unread = UnreadParts()
    data = b"".join(read_steps(path, 100, 599_900, Pace(), unread))
    assert unread.parts == (Part(4096, 4096), Part(299_008, 12_288))
    assert len(data) == 599_900
    assert data.count(b"x") == 599_900 - 4 * 4096
    assert data[4096 - 100 : 8192 - 100] == bytes(4096)


def test_what_is_missing_at_the_end_is_unread(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 5000)
    unread = UnreadParts()
    assert b"".join(read_steps(path, 0, 9000, Pace(), unread)) == b"x" * 5000 + bytes(4000)
    assert unread.parts == (Part(5000, 4000),)


def sparse_file(path: Path, steps: int) -> Path:
    with path.open("wb") as file:
        file.truncate(steps * STEP_BYTES)
    return path


def bad_step(number: int) -> tuple[int, int]:
    return number * STEP_BYTES, (number + 1) * STEP_BYTES


def unread_steps(path: Path, steps: int, pace: Pace) -> list[tuple[int, int]]:
    """Read a file of so many steps; return what was unread of it, in steps from and to."""
    unread = UnreadParts()
    read = sum(map(len, read_steps(path, 0, steps * STEP_BYTES, pace, unread)))
    assert read == steps * STEP_BYTES
    return [(part.start // STEP_BYTES, part.end // STEP_BYTES) for part in unread.parts]


def test_a_dead_disk_is_not_asked_for_each_sector(tmp_path: Path, disk: BadSectors) -> None:
    path = sparse_file(tmp_path / "file", 200)
    disk.parts[path] = [(0, 200 * STEP_BYTES)]
    assert unread_steps(path, 200, Pace()) == [(0, 200)]
    assert disk.failed < 3 * MAX_FAILED_READS


def test_what_lies_behind_many_bad_sectors_is_still_read(tmp_path: Path, disk: BadSectors) -> None:
    path = sparse_file(tmp_path / "file", 64)
    disk.parts[path] = [bad_step(number) for number in (1, 5, 9, 13, 17, 40)]
    expected = [(1, 2), (5, 6), (9, 10), (13, 14), (17, 18), (40, 41)]
    assert unread_steps(path, 64, Pace()) == expected


def test_after_many_failed_reads_a_step_is_not_read_by_its_sectors(
    tmp_path: Path, disk: BadSectors
) -> None:
    path = sparse_file(tmp_path / "file", 64)
    start, _ = bad_step(20)
    disk.parts[path] = [*(bad_step(number) for number in range(4)), (start + 9, start + 10)]
    assert unread_steps(path, 64, Pace()) == [(0, 4), (20, 21)]


def test_failed_reads_of_all_files_take_a_limited_time(tmp_path: Path, disk: BadSectors) -> None:
    disk.seconds = 30
    pace = Pace(monotonic=disk.monotonic)
    good = sparse_file(tmp_path / "good", 8)
    for number in range(5):
        path = sparse_file(tmp_path / str(number), 40)
        disk.parts[path] = [bad_step(step) for step in range(2, 36)]
        unread_steps(path, 40, pace)
    # One more in each file that comes after the limit.
    assert MAX_FAILING_SECONDS <= disk.monotonic() <= MAX_FAILING_SECONDS + 5 * disk.seconds
    # A file that can be read is.
    assert unread_steps(good, 8, pace) == []


def test_the_parts_of_a_file_are_limited(
    tmp_path: Path, disk: BadSectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread_module, "MAX_PARTS", 5)
    path = sparse_file(tmp_path / "file", 64)
    disk.parts[path] = [bad_step(number) for number in range(0, 64, 2)]
    assert unread_steps(path, 64, Pace()) == [(0, 1), (2, 3), (4, 5), (6, 64)]


def test_a_stop_does_not_wait_for_all_sectors_of_a_step(tmp_path: Path, disk: BadSectors) -> None:
    path = sparse_file(tmp_path / "file", 1)
    disk.parts[path] = [bad_step(0)]
    pace = Pace()
    pace.stop()
    with pytest.raises(CopyingStopped):
        unread_steps(path, 1, pace)
    assert disk.failed == 1


# -- which stay


def made_on(day: int, *, complete: bool, hour: int = 3) -> Generation:
    when = (datetime(2026, 11, 1, hour, tzinfo=UTC) + timedelta(days=day)).timestamp()
    return generation(when) if complete else generation(when, Part(0, 1))


def test_the_last_complete_one_stays_however_many_incomplete_ones_follow() -> None:
    first = made_on(0, complete=True)
    found = [first, *(made_on(day, complete=False) for day in range(1, 300))]
    assert first not in to_remove(found, UTC, found[-1].made_at)
    assert oldest_removable(found) == found[1]
    assert oldest_removable([first, found[-1]]) is None


def test_a_complete_one_takes_the_place_of_an_incomplete_one_of_its_day() -> None:
    early, late = made_on(0, complete=True), made_on(0, complete=False, hour=9)
    following = [made_on(day, complete=True) for day in range(1, 4)]
    assert to_remove([early, late, *following], UTC, following[-1].made_at) == (late,)


# -- what is no file


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize("where", ["data/media", "backups/packs"])
async def test_a_fifo_with_the_name_of_a_pack_is_named_and_not_waited_for(
    site: Site, where: str
) -> None:
    await site.add(1)
    await site.back_up()
    await site.add(2)
    pack = site.data.parent / where / f"{DAY}.pack"
    pack.unlink()
    os.mkfifo(pack)
    site.clock.advance(60)
    with trio.fail_after(20), pytest.raises(BackupFault, match=r"\.pack cannot be .*regular file"):
        await site.back_up()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
async def test_a_restore_does_not_wait_for_a_fifo(site: Site, tmp_path: Path) -> None:
    await site.add(1)
    path = await site.back_up()
    pack = site.folder / "packs" / f"{DAY}.pack"
    pack.unlink()
    os.mkfifo(pack)
    with pytest.raises(BackupFault, match="has 0 of"):
        put_back(path, tmp_path / "new")
    with pytest.raises(BackupFault, match="not a regular file"):
        list(read_steps(pack, 0, 1, Pace()))


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right on Windows")
async def test_a_restore_follows_no_link_in_place_of_a_pack(site: Site, tmp_path: Path) -> None:
    await site.add(1)
    path = await site.back_up()
    pack = site.folder / "packs" / f"{DAY}.pack"
    pack.rename(tmp_path / "elsewhere.pack")
    pack.symlink_to(tmp_path / "elsewhere.pack")
    with pytest.raises(BackupFault, match=r"\.pack cannot be read: it is not a regular file"):
        put_back(path, tmp_path / "new")
