"""The backup folder: generations, the packs that they share, and which of them stay."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio

from hub.errors import BackupFault
from hub.reasons import Reason
from hub.store.backup import archive
from hub.store.backup import generations as module
from hub.store.backup.archive import HEAD_NOT_READ, HEAD_TOO_LARGE, read_head
from hub.store.backup.generations import (
    Generation,
    make_generation,
    oldest_removable,
    read_folder,
    remove_generation,
    remove_unnamed_packs,
    to_remove,
)
from hub.store.backup.making import SiteDescription, take_working_copy, working_folder
from hub.store.backup.pace import Pace
from hub.store.backup.restore import RestoreReport, restore
from hub.store.backup.tar import TarReader, TarWriter
from hub.store.db import Store
from hub.store.health import StoreHealth
from tests.support.clock import NOON, FrozenClock
from tests.support.stores import batch, drop_day, is_whole, opened, upload

DAY = "2026-11-25"


@pytest.fixture(params=["same disk", "other disk"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether packs are linked, or copied."""
    same = request.param == "same disk"
    monkeypatch.setattr(module, "is_on_same_disk", lambda folder, data_dir: same)
    return str(request.param)


class Site:
    """A store, and a folder for its backups."""

    def __init__(self, path: Path, store: Store, clock: FrozenClock) -> None:
        self.data, self.folder = path / "data", path / "backups"
        self.store, self.clock = store, clock
        self.room = 0
        self.copied = 0

    async def add(self, *seeds: int) -> None:
        for seed in seeds:
            await self.store.records.append(batch(self.clock, seed))

    async def back_up(self, *, pictures: bool = True, min_free: int = 0) -> Path:
        return await trio.to_thread.run_sync(lambda: self._back_up(pictures, min_free))

    def _back_up(self, pictures: bool, min_free: int) -> Path:
        site, pace = SiteDescription("Harbour", (), self.clock()), Pace()
        with working_folder(self.data) as work:
            copy = take_working_copy(self.data, work, pace, 0)
            before = pace.done_bytes
            path = make_generation(
                self.data,
                self.folder,
                copy,
                site,
                pictures=pictures,
                min_free=min_free,
                pace=pace,
                make_room=self._make_room,
            )
            self.copied = pace.done_bytes - before
        return path

    def _make_room(self) -> bool:
        oldest = oldest_removable(read_folder(self.folder).generations)
        if oldest is not None:
            remove_generation(self.folder, oldest)
        return oldest is not None

    def packs(self) -> dict[str, int]:
        packs = self.folder / "packs"
        return {path.name: path.stat().st_size for path in sorted(packs.iterdir())}

    async def restored(self, generation: Path, target: Path, *seeds: int) -> None:
        """Restore a generation, and check that exactly these records are there, and whole."""
        put_back(generation, target)
        async with opened(target, self.clock) as store:
            assert store.health == StoreHealth()
            assert sum(use.records for use in store.retention.days()) == len(seeds)
            for seq, seed in enumerate(seeds, 1):
                sent = upload(self.clock, seed=seed)
                stored = await store.records.get(seq)
                assert stored is not None
                for one in sent.pictures:
                    read = await store.pictures.read(seq, one.name)
                    assert read is not None
                    assert read.data == one.data


def put_back(generation: Path, target: Path) -> RestoreReport:
    target.mkdir()
    with generation.open("rb") as file:
        return restore(file, generation, target, passphrase=None, force=False, pace=Pace())


@pytest.fixture
def site(tmp_path: Path, store: Store, clock: FrozenClock, disk: str) -> Site:
    return Site(tmp_path, store, clock)


async def test_each_generation_restores_its_own_moment(site: Site, tmp_path: Path) -> None:
    await site.add(1, 2)
    first = await site.back_up()
    await site.add(3)
    site.clock.advance(86_400)
    await site.add(4)
    second = await site.back_up()
    await site.restored(first, tmp_path / "one", 1, 2)
    await site.restored(second, tmp_path / "two", 1, 2, 3, 4)
    assert [one.made_at for one in read_folder(site.folder).generations] == [NOON, NOON + 86_400]


async def test_a_pack_that_has_not_grown_is_not_read_again(site: Site) -> None:
    await site.add(*range(1, 10))
    await site.back_up()
    whole = site.copied
    site.clock.advance(86_400)
    await site.back_up()
    assert site.copied < whole
    # After a week its copy is read back again.
    site.clock.advance(7 * 86_400)
    await site.back_up()
    assert site.packs().keys() == {f"{DAY}.pack"}


async def test_a_day_that_began_anew_does_not_replace_the_pack_of_older_generations(
    site: Site, tmp_path: Path
) -> None:
    await site.add(1, 2)
    first = await site.back_up()
    site.clock.advance(86_400)
    await drop_day(site.store, DAY)
    site.clock.advance(-86_400)
    await site.add(3)
    site.clock.advance(60)
    await site.back_up()
    assert len(site.packs()) == 2
    await site.restored(first, tmp_path / "one", 1, 2)


async def test_packs_that_no_generation_names_go(site: Site) -> None:
    await site.add(1)
    first = await site.back_up()
    site.clock.advance(86_400)
    await site.add(2)
    await drop_day(site.store, DAY)
    await site.back_up()
    assert len(site.packs()) == 2
    generations = read_folder(site.folder).generations
    assert generations[0].path == first
    remove_generation(site.folder, generations[0])
    assert list(site.packs()) == ["2026-11-26.pack"]


async def test_without_pictures_no_pack_is_kept(site: Site) -> None:
    await site.add(1)
    await site.back_up(pictures=False)
    assert site.packs() == {}


async def test_the_oldest_make_room_and_then_the_backup_is_refused(site: Site) -> None:
    await site.add(1)
    await site.back_up()
    site.clock.advance(86_400)
    second = await site.back_up()
    with pytest.raises(BackupFault, match="there is no room in"):
        await site.back_up(min_free=10**18)
    assert [one.path for one in read_folder(site.folder).generations] == [second]
    assert not list(site.folder.glob("*.part"))


@pytest.mark.parametrize("disk", ["other disk"], indirect=True)
async def test_a_copy_that_was_damaged_is_written_again(site: Site, tmp_path: Path) -> None:
    await site.add(1, 2)
    first = await site.back_up()
    pack = site.folder / "packs" / f"{DAY}.pack"
    data = bytearray(pack.read_bytes())
    data[500] ^= 1  # in the first picture
    pack.write_bytes(data)
    with pytest.raises(BackupFault, match="checksum"):
        await site.restored(first, tmp_path / "one", 1, 2)
    await site.add(3)
    site.clock.advance(86_400)
    second = await site.back_up()
    await site.restored(first, tmp_path / "two", 1, 2)
    await site.restored(second, tmp_path / "three", 1, 2, 3)


@pytest.mark.parametrize("disk", ["other disk"], indirect=True)
async def test_what_an_interrupted_backup_appended_is_cut_off(site: Site, tmp_path: Path) -> None:
    await site.add(1, 2)
    await site.back_up()
    with (site.folder / "packs" / f"{DAY}.pack").open("ab") as file:
        file.write(b"half a step")
    (site.folder / "sitehub-20261125-120001.tar.part").write_bytes(b"half a generation")
    await site.add(3)
    site.clock.advance(86_400)
    await site.restored(await site.back_up(), tmp_path / "one", 1, 2, 3)
    assert not list(site.folder.glob("*.part"))


@pytest.mark.parametrize("disk", ["other disk"], indirect=True)
async def test_pictures_that_were_erased_are_not_in_later_generations(site: Site) -> None:
    await site.add(1, 2)
    await site.back_up()
    pack = site.data / "media" / f"{DAY}.pack"
    erased = bytearray(pack.read_bytes())
    erased[-600:] = bytes(600)
    pack.write_bytes(erased)
    os.utime(pack, (NOON, NOON + 5))
    site.clock.advance(86_400)
    second = await site.back_up()
    head = read_folder(site.folder).generations[-1].head
    assert head is not None
    assert second.exists()
    assert (site.folder / "packs" / head.packs[0].file).read_bytes() == bytes(erased)


async def test_a_generation_that_is_damaged_says_why(site: Site) -> None:
    await site.add(1)
    path = await site.back_up()
    path.write_bytes(b"nonsense" * 100)
    (found,) = read_folder(site.folder).generations
    assert not found.is_restorable
    assert "damaged" in str(found.problem)
    # Its packs stay: it may be the only one.
    site.clock.advance(86_400)
    await site.back_up()
    assert len(site.packs()) == 1


@pytest.mark.parametrize("field", ["file", "name"])
@pytest.mark.parametrize("path", ["../../data/hub.key", "{data}/hub.key", "programs/9.0/sitehub"])
async def test_a_generation_that_names_other_files_is_damaged(
    site: Site, tmp_path: Path, field: str, path: str
) -> None:
    """The folder may be on a disk that others can write to."""
    await site.add(1)
    forged = await site.back_up()
    path = path.format(data=site.data)
    with_pack(forged, {field: path, "bytes": 0, "sha256": hashlib.sha256().hexdigest()})
    assert not read_folder(site.folder).generations[0].is_restorable
    with pytest.raises(BackupFault, match="damaged"):
        put_back(forged, tmp_path / "new")
    before = everything_in(site.data)
    site.clock.advance(60)
    await site.back_up()
    assert everything_in(site.data) == before


def with_pack(generation: Path, changes: dict[str, object]) -> None:
    """Change what the head of a generation says about its only pack."""
    rest = generation.read_bytes()
    tar = TarReader(io.BytesIO(rest))
    member = tar.next()
    assert member is not None
    head = json.loads(tar.read(member.size))
    head["packs"][0].update(changes)
    data = json.dumps(head).encode()
    writer = TarWriter(begin := io.BytesIO(), 0)
    writer.begin(member.name, len(data))
    writer.write(data)
    writer.finish()
    old_end = 512 + member.size + -member.size % 512
    generation.write_bytes(begin.getvalue()[:-1024] + rest[old_end:])


def everything_in(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in files if "-shm" not in path.name}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right on Windows")
async def test_a_link_in_place_of_the_packs_leads_nowhere(site: Site) -> None:
    await site.add(1)
    await site.back_up()
    packs = site.folder / "packs"
    packs.rename(site.folder / "away")
    packs.symlink_to(site.data)
    before = everything_in(site.data)
    site.clock.advance(60)
    with pytest.raises(BackupFault, match="packs is a link"):
        await site.back_up()
    remove_generation(site.folder, read_folder(site.folder).generations[0])
    assert everything_in(site.data) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
async def test_what_is_no_file_is_named_and_neither_waited_for_nor_counted(site: Site) -> None:
    await site.add(1)
    made = await site.back_up()
    fifo, link = "sitehub-20300101-000000.tar", "sitehub-20300102-000000.tar"
    os.mkfifo(site.folder / fifo)
    (site.folder / link).symlink_to(made)
    os.mkfifo(site.folder / "packs" / "2030-01-01.pack")
    with trio.fail_after(30):
        found = await trio.to_thread.run_sync(read_folder, site.folder, abandon_on_cancel=True)
    problems = {one.path.name: str(one.problem) for one in found.generations if one.problem}
    assert problems == {fifo: "it is not a regular file", link: "it is not a regular file"}
    assert [one.path for one in found.generations if one.is_restorable] == [made]
    # The hub did not make them: they stay, and keep no pack from going.
    (site.folder / "packs" / "2026-11-01.pack").touch()
    remove_unnamed_packs(site.folder)
    assert not (site.folder / "packs" / "2026-11-01.pack").exists()
    assert to_remove(found.generations, UTC, datetime(2031, 1, 1, tzinfo=UTC).timestamp()) == ()
    assert oldest_removable(found.generations) is None


async def test_only_packs_are_removed(site: Site) -> None:
    """Somebody may have chosen a folder that holds other things."""
    await site.add(1)
    (site.folder / "packs" / "folder").mkdir(parents=True)
    (site.folder / "packs" / "notes.txt").write_text("mine")
    path = await site.back_up()
    (found,) = read_folder(site.folder).generations
    remove_generation(site.folder, found)
    assert not path.exists()
    assert sorted(site.packs()) == ["folder", "notes.txt"]


# -- heads of others


def forge(folder: Path, like: Path, *stamps: str, size: int = 0) -> None:
    """Write generations with the sound head of `like`, padded to at least `size` bytes."""
    with like.open("rb") as file:
        member = TarReader(file).next()
        assert member is not None
        data = file.read(member.size).ljust(size)
    for stamp in stamps:
        with (folder / f"sitehub-{stamp}.tar").open("wb") as file:
            writer = TarWriter(file, 0)
            writer.begin(member.name, len(data))
            writer.write(data)
            writer.finish()


def head_size(path: Path) -> int:
    with path.open("rb") as file:
        return read_head(file)[1]


async def test_heads_larger_than_any_of_a_hub_take_nothing_from_its_own_generations(
    site: Site,
) -> None:
    await site.add(1)
    made = await site.back_up()
    forge(site.folder, made, "20200101-000000", "20300101-000000", size=16_000_000)
    generations = read_folder(site.folder).generations
    assert [one.problem for one in generations] == [HEAD_TOO_LARGE, None, HEAD_TOO_LARGE]
    # The hub did not make them: they stay, and keep no pack from going.
    assert to_remove(generations, UTC, site.clock()) == ()
    assert oldest_removable(generations) is None
    (site.folder / "packs" / "2026-11-01.pack").touch()
    remove_unnamed_packs(site.folder)
    assert list(site.packs()) == [f"{DAY}.pack"]


async def test_the_heads_of_the_newest_generations_are_read_first(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.add(1)
    made = [await site.back_up()]
    for _ in range(2):
        site.clock.advance(60)
        made.append(await site.back_up())
    monkeypatch.setattr(module, "_MAX_BYTES_OF_HEADS", 2 * head_size(made[0]) + 100)
    generations = read_folder(site.folder).generations
    assert [one.problem for one in generations] == [HEAD_NOT_READ, None, None]


async def test_a_generation_whose_head_is_not_read_stays_and_so_do_all_packs(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.add(1)
    first = await site.back_up()
    site.clock.advance(86_400)
    await drop_day(site.store, DAY)
    await site.add(2)
    for _ in range(2):
        second = await site.back_up()
        site.clock.advance(86_400)
    monkeypatch.setattr(module, "_MAX_BYTES_OF_HEADS", 2 * head_size(second) + 100)
    generations = read_folder(site.folder).generations
    assert generations[0].is_unknown
    assert to_remove(generations, UTC, site.clock() + 300 * 86_400) == ()
    remove_unnamed_packs(site.folder)
    assert set(site.packs()) == {f"{DAY}.pack", "2026-11-26.pack"}
    # No pack would go, so that all would have to go for nothing.
    assert oldest_removable(generations) is None
    assert first.exists()


async def test_a_backup_that_would_name_too_many_packs_is_not_made(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.add(1)
    monkeypatch.setattr(archive, "MAX_HEAD_BYTES", 500)
    with pytest.raises(BackupFault, match="would name too many packs: 1"):
        await site.back_up()
    assert read_folder(site.folder).generations == ()


@pytest.mark.parametrize("stamp", ["20260231-000000", "99991231-235959", "00000101-000000"])
def test_a_file_whose_name_is_no_time_is_not_a_generation(tmp_path: Path, stamp: str) -> None:
    (tmp_path / f"sitehub-{stamp}.tar").touch()
    assert read_folder(tmp_path).generations == ()


# -- which stay


def generation(when: datetime, problem: Reason | None = None) -> Generation:
    return Generation(Path(f"{when:%Y%m%d-%H%M}"), when.timestamp(), 1, None, problem)


def nights(count: int, first: datetime) -> list[Generation]:
    return [generation(first + timedelta(days=day)) for day in range(count)]


def test_seven_daily_four_weekly_and_six_monthly_ones_stay() -> None:
    first = datetime(2026, 1, 1, 3, tzinfo=UTC)
    kept: list[Generation] = []
    for one in nights(330, first):
        kept.append(one)
        gone = to_remove(kept, UTC, one.made_at + 60)
        kept = [other for other in kept if other not in gone]
    days = [f"{datetime.fromtimestamp(one.made_at, UTC):%m-%d}" for one in kept]
    assert days[-7:] == [f"11-{day}" for day in range(20, 27)]
    assert set(days) >= {"11-15", "11-08", "10-31", "09-30", "08-31", "07-31", "06-30"}
    assert len(days) <= 7 + 4 + 6


def test_the_last_restorable_one_stays_however_old_it_is() -> None:
    first = datetime(2025, 1, 1, 3, tzinfo=UTC)
    found = [generation(first), generation(first + timedelta(days=400), Reason("it is damaged"))]
    assert to_remove(found, UTC, found[1].made_at) == ()
    assert oldest_removable(found) == found[1]


def test_a_bad_one_goes_once_there_is_a_newer_restorable_one() -> None:
    first = datetime(2026, 1, 1, 3, tzinfo=UTC)
    found = [generation(first, Reason("it is damaged")), generation(first + timedelta(days=1))]
    assert to_remove(found, UTC, found[1].made_at) == (found[0],)


def test_one_that_was_made_under_a_wrong_clock_takes_the_place_of_no_other() -> None:
    found = nights(7, datetime(2026, 11, 1, 3, tzinfo=UTC))
    now = found[-1].made_at
    ahead = generation(datetime(2027, 11, 1, 3, tzinfo=UTC))
    gone = to_remove([*found, ahead], UTC, now)
    assert set(found) & set(gone) == set()


async def test_a_copy_is_whole(site: Site, tmp_path: Path, clock: FrozenClock) -> None:
    await site.add(1)
    path = await site.back_up()
    put_back(path, tmp_path / "one")
    async with opened(tmp_path / "one", clock) as store:
        assert await is_whole(store, 1, upload(clock, seed=1))


async def test_a_day_that_a_full_disk_emptied_is_missing_in_a_backup_that_is_put_back(
    site: Site, tmp_path: Path
) -> None:
    """On the disk of the data directory, its pack is the same file."""
    await site.add(1, 2)
    site.clock.advance(86_400)
    await site.add(3)
    generation = await site.back_up()
    (site.folder / "packs" / "2026-11-25.pack").write_bytes(b"")
    target = tmp_path / "new"
    report = put_back(generation, target)
    assert report.restored.forgotten_days == ("2026-11-25",)
    async with opened(target, site.clock) as store:
        assert [use.day for use in store.retention.days()] == ["2026-11-26"]
        assert await is_whole(store, 3, upload(site.clock, seed=3))
        assert store.health == StoreHealth()
