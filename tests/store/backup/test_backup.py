"""A backup in one file, of a store that is written to meanwhile, and what is restored from it."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
from pathlib import Path

import msgspec
import pytest
import trio

from hub.errors import BackupFault, StartFault
from hub.store.backup import restore as restoring
from hub.store.backup.archive import HEAD, SUMS, ArchiveSink, ArchiveWriter, read_archive
from hub.store.backup.making import (
    FileBackup,
    SiteDescription,
    take_working_copy,
    working_folder,
    write_backup,
)
from hub.store.backup.pace import CopyingStopped, Pace
from hub.store.backup.restore import RestoreReport, complete_restore, opened_source, restore
from hub.store.backup.snapshot import take_snapshot
from hub.store.db import Store
from hub.store.health import StoreHealth
from hub.store.people.device_people import DevicePeople
from hub.store.people.holdings import ItemResult
from hub.store.people.people import PersonPut
from hub.store.people.person_rows import PersonChange
from hub.store.sqlite.migrate import bring_up_to_date, migrations
from hub.store.tables.devices import NewDevice
from tests.support.clock import NOON, FrozenClock
from tests.support.stores import batch, drop_day, is_whole, opened, upload

SITE = SiteDescription("Harbour East", ("192.168.1.5",), NOON)
DAY = "2026-11-25"


def back_up(
    data_dir: Path, *, pictures: bool = True, passphrase: str | None = None
) -> tuple[bytes, FileBackup]:
    file, pace = io.BytesIO(), Pace()
    with working_folder(data_dir) as folder:
        copy = take_working_copy(data_dir, folder, pace, 0)
        made = write_backup(
            file, data_dir, copy, SITE, pictures=pictures, passphrase=passphrase, pace=pace
        )
    return file.getvalue(), made


def restored(
    file: bytes, target: Path, *, passphrase: str | None = None, force: bool = False
) -> RestoreReport:
    target.mkdir(exist_ok=True)
    return restore(
        io.BytesIO(file),
        Path("b"),
        target,
        passphrase=passphrase,
        force=force,
        pace=Pace(),
        now=lambda: NOON,
    )


async def fill(store: Store, clock: FrozenClock, seeds: range) -> None:
    for seed in seeds:
        await store.records.append(batch(clock, seed))


async def test_everything_is_there_after_a_restore(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    await fill(store, clock, range(1, 6))
    await store.settings.set("site.name", "Harbour")
    file, made = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    assert (made.head.records, made.head.last_seq, made.omitted.lost) == (5, 5, ())
    report = restored(file, tmp_path / "new")
    assert (report.head.site, report.set_aside) == ("Harbour East", "")
    async with opened(tmp_path / "new", clock) as again:
        assert again.health == StoreHealth()
        assert again.settings.get("site.name") == "Harbour"
        for seed in range(1, 6):
            assert await is_whole(again, seed, upload(clock, seed=seed))
        await again.records.append(batch(clock, 6))
    assert not (tmp_path / "new" / "restoring").exists()
    assert not (tmp_path / "data" / "snapshots").exists()


async def test_records_that_come_during_the_copy_are_not_in_it(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    """Database and packs are of one moment, although the packs grow."""
    await fill(store, clock, range(1, 4))
    data = tmp_path / "data"
    file, pace = io.BytesIO(), Pace()
    with working_folder(data) as folder:
        copy = await trio.to_thread.run_sync(take_working_copy, data, folder, pace, 0)
        await fill(store, clock, range(4, 20))
        write_backup(file, data, copy, SITE, pictures=True, passphrase=None, pace=pace)
    restored(file.getvalue(), tmp_path / "new")
    async with opened(tmp_path / "new", clock) as again:
        assert again.health == StoreHealth()
        assert await is_whole(again, 3, upload(clock, seed=3))
        assert await again.records.get(4) is None
        assert [use.records for use in again.retention.days()] == [3]


async def test_the_writer_does_not_wait_for_a_snapshot(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    """The copy shows the moment at which it began, however many commits happen meanwhile."""
    await fill(store, clock, range(1, 30))
    pace, portal = Pace(), trio.lowlevel.current_trio_token()
    written = []

    def spend(size: int) -> None:
        # Called between the steps of the copy: a record is committed in each.
        number = 100 + len(written)
        trio.from_thread.run(store.records.append, batch(clock, number), trio_token=portal)
        written.append(number)

    pace.spend = spend  # type: ignore[method-assign]
    found = await trio.to_thread.run_sync(
        take_snapshot, tmp_path / "data", tmp_path / "copy.sqlite", pace
    )
    assert written
    assert (found.records, found.last_seq) == (29, 29)


async def test_a_day_that_is_dropped_meanwhile_is_dropped_in_the_restored_hub(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    await fill(store, clock, range(1, 4))
    clock.advance(86_400)
    await fill(store, clock, range(4, 7))
    data = tmp_path / "data"
    file, pace = io.BytesIO(), Pace()
    with working_folder(data) as folder:
        copy = await trio.to_thread.run_sync(take_working_copy, data, folder, pace, 0)
        await drop_day(store, DAY)
        made = write_backup(file, data, copy, SITE, pictures=True, passphrase=None, pace=pace)
    assert [pack.name for pack in made.omitted.lost] == [f"media/{DAY}.pack"]
    report = restored(file.getvalue(), tmp_path / "new")
    assert report.restored.forgotten_days == (DAY,)
    async with opened(tmp_path / "new", clock) as again:
        assert again.health == StoreHealth()
        await again.retention.finish_drops()
        assert await again.records.get(1) is None
        assert await is_whole(again, 4, upload(clock, seed=4))


async def test_without_pictures_the_records_stay(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    await fill(store, clock, range(1, 4))
    file, made = await trio.to_thread.run_sync(lambda: back_up(tmp_path / "data", pictures=False))
    assert not made.head.has_pictures
    restored(file, tmp_path / "new")
    async with opened(tmp_path / "new", clock) as again:
        record = await again.records.get(2)
        assert record is not None
        assert record.images == ()
        assert again.health == StoreHealth()
        await fill(again, clock, range(10, 12))
        assert await is_whole(again, 5, upload(clock, seed=11))


async def test_what_cameras_hold_is_not_known_after_a_restore(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    await store.devices.add([NewDevice(sn="SN1", code="CODE0001", did="1")])
    change = PersonChange(name="Ada", photo=b"\xff\xd8\xff")
    await store.people.put([PersonPut(pid="7", change=change)], "user ada", 0)
    await store.device_people.save(DevicePeople(did="1", state="managed", must_check=False), "SN1")
    await store.holdings.note("1", "SN1", [ItemResult(pid="7", revision=1)])
    assert [row.state for row in await store.holdings.of_person("7", clock.reading)] == ["done"]
    file, _ = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    # The camera may get later revisions, whose numbers the restored hub gives again.
    restored(file, tmp_path / "new")
    async with opened(tmp_path / "new", clock) as again:
        assert [row.state for row in await again.holdings.of_person("7", clock.reading)] == [
            "pending"
        ]
        assert again.device_people.get("1").must_check


async def test_a_search_by_a_photo_which_is_kept_for_a_day_is_in_no_backup(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    photo = f'"{"PHOTO" * 4000}"'
    await store.jobs.add("search", "{}", "user ada", 1, 1, ['"a hit"'], photo)
    await store.jobs.add("import", "{}", "user ada", 1, 1, ['"a row"'])
    copy = tmp_path / "copy.sqlite"
    await trio.to_thread.run_sync(take_snapshot, tmp_path / "data", copy, Pace())
    assert not (tmp_path / "copy.sqlite-wal").exists()
    # Overwritten, not only marked as deleted.
    assert b"PHOTOPHOTO" not in copy.read_bytes()
    file, _ = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    restored(file, tmp_path / "new")
    async with opened(tmp_path / "new", clock) as again:
        assert [job.kind for job in await again.jobs.newest()] == ["import"]
    assert len(await store.jobs.newest()) == 2


async def test_programs_of_the_system_read_it(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    """As docs/reference.md says: tar, sha256sum, gunzip."""
    await fill(store, clock, range(1, 4))
    file, _ = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    with tarfile.open(fileobj=io.BytesIO(file)) as tar:
        members = {
            one.name: content.read() for one in tar if (content := tar.extractfile(one)) is not None
        }
    order = list(members)
    assert (order[0], order[-1]) == ("sitehub-backup.json", "SHA256SUMS")
    lines = members.pop("SHA256SUMS").decode().splitlines()
    assert lines == [f"{hashlib.sha256(data).hexdigest()}  {n}" for n, data in members.items()]
    assert {"hub.key", "hub.sqlite.gz", f"media/{DAY}.pack"} <= members.keys()
    assert msgspec.json.decode(members["sitehub-backup.json"])["site"] == "Harbour East"


async def test_a_sealed_backup_opens_with_its_passphrase_only(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    await fill(store, clock, range(1, 4))
    file, _ = await trio.to_thread.run_sync(
        lambda: back_up(tmp_path / "data", passphrase="correct horse")
    )
    assert b"Harbour" not in file
    for passphrase, text in ((None, "sealed with a passphrase"), ("wrong horse", "does not fit")):
        with pytest.raises(BackupFault, match=text):
            restored(file, tmp_path / "new", passphrase=passphrase)
    assert list((tmp_path / "new").iterdir()) == []
    restored(file, tmp_path / "new", passphrase="correct horse")
    async with opened(tmp_path / "new", clock) as again:
        assert await is_whole(again, 3, upload(clock, seed=3))


async def test_a_damaged_backup_restores_nothing(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    await fill(store, clock, range(1, 4))
    file, _ = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    (tmp_path / "new").mkdir()
    for seed in range(60):
        source, damaged = random.Random(seed), bytearray(file)
        if seed % 3 == 0:
            # The two empty blocks at the end belong to it.
            del damaged[source.randrange(len(file)) :]
        else:
            damaged[source.randrange(len(file))] ^= 1 << source.randrange(8)
            if read(bytes(damaged)) == read(file):
                continue  # the bit is in the padding of a member, or in a field that nobody reads
        with pytest.raises(BackupFault) as caught:
            restored(bytes(damaged), tmp_path / "new")
        assert "\n" not in caught.value.message
        assert list((tmp_path / "new").iterdir()) == []


def read(file: bytes) -> dict[str, str]:
    """The checksums of a backup's members; empty if it is damaged."""
    try:
        source = opened_source(io.BytesIO(file), None)
        return read_archive(source, ArchiveSink(), Pace()).sums
    except BackupFault:
        return {}


async def test_a_backup_of_a_newer_version_is_refused(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    file, _ = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    newer = file.replace(b'"format": 1', b'"format": 2', 1)
    with pytest.raises(BackupFault, match="written by a newer sitehub"):
        restored(newer, tmp_path / "new")


async def test_a_backup_from_before_the_first_release_is_refused(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    file, _ = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    now = b'"schema": %d' % max(migrations())
    assert now in file
    for schema in (1, 30):
        older = file.replace(now, b'"schema": %2d' % schema, 1)
        with pytest.raises(BackupFault, match=rf"before the first release .*schema {schema}\)"):
            restored(older, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


async def test_data_from_before_the_first_release_is_not_backed_up(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    bring_up_to_date(tmp_path / "data" / "hub.sqlite", {30: "CREATE TABLE device (sn TEXT);"})
    with pytest.raises(StartFault, match="before the first release"):
        await trio.to_thread.run_sync(back_up, tmp_path / "data")


@pytest.mark.parametrize("name", ["logs", "restoring", "Backups", "before-restore-1"])
async def test_a_backup_with_a_file_in_place_of_a_folder_that_stays_is_refused(
    store: Store, clock: FrozenClock, tmp_path: Path, name: str
) -> None:
    """It could not be moved in once the old data is aside."""
    await fill(store, clock, range(1, 3))
    file, _ = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    (tmp_path / "new" / "logs").mkdir(parents=True)
    with pytest.raises(BackupFault, match=f"{name}' does not belong there"):
        restored(with_member(file, name), tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["logs"]


async def test_a_database_larger_than_the_disk_is_refused_before_it_is_unpacked(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    """A small gzip file may be one of terabytes."""
    await fill(store, clock, range(1, 3))
    file, made = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    forged = msgspec.structs.replace(made.head, database_bytes=10**15)
    changed = with_member(file, HEAD, msgspec.json.encode(forged))
    with pytest.raises(BackupFault, match="not enough disk space"):
        restored(changed, tmp_path / "new")


def with_member(file: bytes, name: str, content: bytes = b"x") -> bytes:
    """Add a file to a backup, or replace it, with its checksum."""
    archive = ArchiveWriter(changed := io.BytesIO(), 0)
    with tarfile.open(fileobj=io.BytesIO(file)) as tar:
        for member in tar:
            data = tar.extractfile(member)
            if data is None or member.name == SUMS:
                continue
            archive.add_bytes(member.name, content if member.name == name else data.read())
    if name != HEAD:
        archive.add_bytes(name, content)
    archive.finish()
    return changed.getvalue()


async def test_restoring_over_data_needs_force_and_moves_it_aside(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    await fill(store, clock, range(1, 4))
    file, _ = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    restored(file, tmp_path / "new")
    async with opened(tmp_path / "new", clock) as again:
        await fill(again, clock, range(10, 12))
    with pytest.raises(BackupFault, match="--force"):
        restored(file, tmp_path / "new")
    report = restored(file, tmp_path / "new", force=True)
    async with opened(tmp_path / "new" / report.set_aside, clock) as before:
        assert await is_whole(before, 5, upload(clock, seed=11))
    async with opened(tmp_path / "new", clock) as again:
        assert await again.records.get(4) is None


class _Killed(BaseException):
    """As kill -9 ends the process: nothing cleans up after it."""


async def test_a_restore_that_is_killed_at_any_step_is_completed_by_the_next_start(
    store: Store, clock: FrozenClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files were verified before the first one is moved."""
    await fill(store, clock, range(1, 4))
    file, _ = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    original, steps, was_killed = Path.replace, 0, True
    while was_killed:
        target = tmp_path / f"new{steps}"
        restored(file, target)
        async with opened(target, clock) as again:
            await fill(again, clock, range(10, 12))
        left = steps

        def counted(path: Path, other: Path) -> Path:
            nonlocal left
            left -= 1
            if left < 0:
                raise _Killed
            return original(path, other)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", counted)
            patched.setattr(restoring, "discard_staged", lambda data_dir: None)
            try:
                restored(file, target, force=True)
                was_killed = False
            except _Killed:
                pass
        assert complete_restore(target, lambda: NOON) or not was_killed
        async with opened(target, clock) as again:
            assert again.health == StoreHealth()
            assert [use.records for use in again.retention.days()] == [3]
        assert not (target / "restoring").exists()
        assert [path.name for path in target.glob("before-*")] == ["before-restore-20261125-120000"]
        steps += 1
    assert steps > 6


async def test_two_restores_within_a_second_set_the_old_data_aside_apart(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    await fill(store, clock, range(1, 4))
    file, _ = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    target = tmp_path / "new"
    for _ in range(3):
        (target / "firmware").mkdir(parents=True, exist_ok=True)
        (target / "firmware" / "mine").write_bytes(b"mine")
        restored(file, target, force=True)
    aside = sorted(target.glob("before-*"))
    name = "before-restore-20261125-120000"
    assert [path.name for path in aside] == [name, f"{name}-2", f"{name}-3"]
    assert [(path / "firmware" / "mine").read_bytes() for path in aside] == [b"mine"] * 3


async def test_a_restore_that_was_killed_while_reading_changes_nothing(
    store: Store, clock: FrozenClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, clock, range(1, 4))
    file, _ = await trio.to_thread.run_sync(back_up, tmp_path / "data")
    target = tmp_path / "new"
    restored(file, target)
    before = sorted(path.name for path in target.iterdir())
    with monkeypatch.context() as patched:
        patched.setattr(restoring, "discard_staged", lambda data_dir: None)
        with pytest.raises(BackupFault):
            restored(file[:-3000], target, force=True)
    assert (target / "restoring").exists()
    assert not complete_restore(target, clock)
    assert sorted(path.name for path in target.iterdir()) == before


async def test_a_backup_that_is_stopped_ends_at_its_next_step(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    await fill(store, clock, range(1, 4))
    pace = Pace()
    pace.stop()
    with working_folder(tmp_path / "data") as folder, pytest.raises(CopyingStopped):
        take_working_copy(tmp_path / "data", folder, pace, 0)


async def test_a_backup_leaves_the_disk_its_free_space(
    store: Store, clock: FrozenClock, tmp_path: Path
) -> None:
    with (
        working_folder(tmp_path / "data") as folder,
        pytest.raises(BackupFault, match="not enough free disk space"),
    ):
        take_working_copy(tmp_path / "data", folder, Pace(), 10**18)
