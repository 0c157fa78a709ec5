"""Records are made again from what the packs hold, or put aside; nothing is lost or deleted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from hub.errors import CannotStoreNow, StartFault
from hub.store.alarms.alarm import Move
from hub.store.db import Store
from hub.store.disk import Disk
from hub.store.health import StoreHealth
from hub.store.offline.database_copy import DatabaseFile
from hub.store.offline.inspection import database_state
from hub.store.people.device_people import DevicePeople
from hub.store.people.holdings import OTHER, ItemResult
from hub.store.people.people import PersonPut
from hub.store.people.person_rows import PersonChange
from hub.store.records.record_filter import RecordFilter
from hub.store.recovery.bringing_back import bring_back
from hub.store.recovery.rebuild import rebuild
from hub.store.recovery.set_aside import set_aside
from hub.store.sealing import Random
from hub.store.tables.devices import NewDevice
from hub.store.tables.erasures import ErasureManner, ErasureReport, NewErasure, Subject
from hub.store.tables.holds import NewHold
from hub.store.targets.erased import EarlierLog
from hub.wire.uploads.records import AccessDetail, FaceDetail, Record
from tests.store.alarms.test_evidence import OfCategory2
from tests.store.recovery.test_start_check import (
    DATABASE,
    WAL,
    content,
    copy_back,
    filled,
    killed,
)
from tests.support.clock import FrozenClock
from tests.support.failing_commits import FailingCommits
from tests.support.stores import batch, copy_as_left, drop_day, is_whole, opened

SEEDS = range(1, 8)


async def records_of(store: Store) -> list[Record]:
    return list((await store.records.page(RecordFilter(), limit=1000)).items)


async def log_of(data: Path, clock: FrozenClock) -> tuple[str, list[Record]]:
    """Start the hub; return the id of its log and all records, whose pictures are whole."""
    async with opened(data, clock) as store:
        for record in (found := await records_of(store)):
            for name in (image.name for image in record.images):
                assert await store.pictures.read(record.seq, name) is not None
        assert store.health == StoreHealth()
        return store.log_id, found


async def stopped(data: Path, clock: FrozenClock) -> None:
    with pytest.raises(StartFault, match="--rebuild"):
        async with opened(data, clock):
            pass


async def test_an_older_database_gets_the_records_of_its_packs_again(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(1, 3))
    shutil.copytree(data, copy)
    await filled(data, clock, range(3, 5))
    clock.advance(86_400)
    await filled(data, clock, range(5, 8))
    before = await log_of(data, clock)
    packs = {name: data for name, data in content(data).items() if name.endswith(".pack")}
    copy_back(copy, data, DATABASE)
    await stopped(data, clock)
    parts: list[float] = []
    report = rebuild(data, Disk(), os.urandom, parts.append)
    assert (report.records, report.unreadable, report.refused) == (5, 0, 0)
    assert report.days == ("2026-11-25", "2026-11-26")
    assert report.received == (clock.ms - 86_400_000, clock.ms)
    assert report.quarantined == ()
    assert not report.is_new_database
    assert not report.log_id_changed
    assert parts == sorted(parts)
    assert parts[-1] == 1
    assert await log_of(data, clock) == before
    assert {name: data for name, data in content(data).items() if name.endswith(".pack")} == packs
    async with opened(data, clock) as store:
        assert store.changes_lost_since == clock.ms - 86_400_000
        again = await store.records.append(batch(clock, 7))
        assert (again.seqs, again.repeated) == ((7,), True)
        assert (await store.records.append(batch(clock, 8))).seqs == (8,)


async def test_alarms_are_as_in_the_older_database_and_not_raised_again(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    person = {name: FaceDetail(name=name, uuid=name, category=2) for name in ("ann", "bob", "cid")}
    async with opened(data, clock) as store:
        store.alarms.use(OfCategory2())
        for seed, name in enumerate(("ann", "bob"), 1):
            await store.records.append(batch(clock, seed, detail=person[name]))
        await store.alarms.move([1], Move("acknowledged", clock.ms, "user mei", "a guest"))
    shutil.copytree(data, copy)
    async with opened(data, clock) as store:
        store.alarms.use(OfCategory2())
        await store.records.append(batch(clock, 3, detail=person["cid"]))
        await store.alarms.move([1, 2], Move("closed", clock.ms, "user mei"))
    copy_back(copy, data, DATABASE)
    assert rebuild(data, Disk(), os.urandom).records == 1
    async with opened(data, clock) as store:
        store.alarms.use(OfCategory2())
        assert [one.seq for one in await records_of(store)] == [1, 2, 3]
        found = [(one.seq, one.state, one.note) for one in store.alarms.active()]
        assert found == [(1, "acknowledged", "a guest"), (2, "new", "")]
        assert await store.alarms.evidence(1) == (1,)
        assert [one.step for one in await store.alarms.history(1)] == ["raised", "acknowledged"]
        # Who comes later raises one.
        (seq,) = (await store.records.append(batch(clock, 4, detail=person["cid"]))).seqs
        assert [one.seq for one in store.alarms.active()] == [1, 2, seq]


@pytest.mark.parametrize("way", [rebuild, set_aside])
async def test_what_cameras_hold_is_not_known_after_an_older_database(
    way: Callable[[Path, Disk, Random], object], tmp_path: Path, clock: FrozenClock
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    async with opened(data, clock) as store:
        await store.devices.add([NewDevice(sn="SN1", code="CODE0001", did="1")])
        change = PersonChange(name="Ada", photo=b"\xff\xd8\xff")
        puts = [PersonPut(pid=pid, change=change) for pid in ("7", "8")]
        await store.people.put(puts, "user ada", 0)
        row = DevicePeople(did="1", state="managed", must_check=False)
        await store.device_people.save(row, "SN1")
        # The answer to what was sent of 8 is missing.
        taken, sent = ItemResult(pid="7", revision=1), ItemResult(pid="8", revision=None, sent=2)
        await store.holdings.note("1", "SN1", [taken, sent])
    shutil.copytree(data, copy)
    # Meanwhile the camera may get later revisions, whose numbers the older database gives again.
    await filled(data, clock, range(1, 3))
    copy_back(copy, data, DATABASE)
    way(data, Disk(), os.urandom)
    async with opened(data, clock) as store:
        assert store.device_people.get("1").must_check
        found = await store.holdings.next(
            "1", now=clock.reading, due=clock.ms, after=0, changed=[], limit=9
        )
        assert {item.pid: (item.known, item.sent) for item in found.items} == {
            "7": (OTHER, None),
            "8": (None, None),
        }


@pytest.mark.parametrize("is_lost", [False, True])
async def test_numbers_that_targets_know_are_not_given_again(
    is_lost: bool, tmp_path: Path, clock: FrozenClock
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    person = FaceDetail(name="ann", uuid="ann", category=2)

    async def numbers(store: Store) -> tuple[int, int]:
        """Change an alarm, and erase a record; return their numbers."""
        await store.alarms.move([1], Move("acknowledged", clock.ms, "user mei"))
        await store.write(lambda c: c.execute("UPDATE record SET erased = NULL").rowcount)
        await store.write(
            lambda c: c.execute("UPDATE record SET erased = 1 WHERE seq = 1").rowcount
        )
        return await store.targets.last_alarm_change(), await store.erased.last_number()

    async with opened(data, clock) as store:
        store.alarms.use(OfCategory2())
        await store.records.append(batch(clock, 1, detail=person))
    shutil.copytree(data, copy)
    told = (0, 0)
    for seed in range(2, 5):
        async with opened(data, clock) as store:
            store.alarms.use(OfCategory2())
            await store.records.append(batch(clock, seed, detail=person))
            log_id, before, told = store.log_id, told, await numbers(store)
            assert all(old < new for old, new in zip(before, told, strict=True))
        if is_lost:
            (data / DATABASE).unlink()
        else:
            copy_back(copy, data, DATABASE)
        rebuild(data, Disk(), os.urandom)
    async with opened(data, clock) as store:
        assert store.log_id == log_id


@pytest.mark.parametrize("left", ["missing", "empty", "damaged"])
async def test_a_lost_database_is_made_again_from_all_packs(
    left: str, tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.devices.add([NewDevice(sn="S", code="12345678")])
        passage = AccessDetail(rid="r")
        await store.records.append(batch(clock, 1, kind="access", detail=passage, pictures=1))
        lone = batch(clock, 2, kind="access", detail=AccessDetail(), follows_access=True)
        await store.records.append(lone)
    await filled(tmp_path, clock, range(3, 6))
    clock.advance(86_400)
    await filled(tmp_path, clock, range(6, 8))
    before = await log_of(tmp_path, clock)
    if left == "missing":
        (tmp_path / DATABASE).unlink()
    else:
        (tmp_path / DATABASE).write_bytes(b"" if left == "empty" else b"x" * 8192)
    report = rebuild(tmp_path, Disk(), os.urandom)
    assert report.is_new_database
    assert report.records == 7
    assert report.quarantined == (() if left == "missing" else (DATABASE,))
    assert await log_of(tmp_path, clock) == before
    async with opened(tmp_path, clock) as store:
        assert store.devices.all() == ()
        late = batch(clock, 9, kind="access", detail=AccessDetail(), follows_access=True)
        await store.records.append(late)
        record = await store.records.get(8)
        assert record is not None
        assert record.detail == AccessDetail(of=1)


async def test_a_schema_that_is_no_utf_8_is_told_like_other_damage(
    tmp_path: Path, clock: FrozenClock
) -> None:
    await filled(tmp_path, clock, SEEDS)
    before = await log_of(tmp_path, clock)
    database = bytearray((tmp_path / DATABASE).read_bytes())
    database[database.index(b"CREATE TABLE") + 4] = 0xBB
    (tmp_path / DATABASE).write_bytes(database)
    with pytest.raises(StartFault, match=r"malformed database schema.*doctor --rebuild"):
        async with opened(tmp_path, clock):
            pass
    assert database_state(tmp_path).problem == "unreadable"
    with pytest.raises(StartFault, match="malformed database schema"):
        DatabaseFile(tmp_path / DATABASE).copy(tmp_path / "copy")
    assert rebuild(tmp_path, Disk(), os.urandom).quarantined == (DATABASE,)
    assert await log_of(tmp_path, clock) == before


async def test_a_lost_wal_is_replayed_from_the_packs(tmp_path: Path, clock: FrozenClock) -> None:
    data = tmp_path / "data"
    await filled(data, clock, range(1, 3))
    left = await killed(data, tmp_path / "left", clock, range(3, 8))
    before = await log_of(data, clock)
    (left / WAL).unlink()
    assert rebuild(left, Disk(), os.urandom).records == 5
    assert await log_of(left, clock) == before


async def test_a_foreign_wal_is_put_aside_and_its_place_filled_from_the_packs(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    left = await killed(data, tmp_path / "left", clock, SEEDS)
    before = await log_of(data, clock)
    other = await killed(tmp_path / "b", tmp_path / "other", clock, range(3))
    shutil.copy(other / WAL, left / WAL)
    await stopped(left, clock)
    report = rebuild(left, Disk(), os.urandom)
    assert report.quarantined == (WAL,)
    assert (left / "media" / "set-aside" / WAL).read_bytes() == (other / WAL).read_bytes()
    assert await log_of(left, clock) == before


async def test_an_interrupted_rebuild_is_repeated(tmp_path: Path, clock: FrozenClock) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(1, 2))
    shutil.copytree(data, copy)
    await filled(data, clock, range(2, 5))
    clock.advance(86_400)
    await filled(data, clock, range(5, 8))
    before = await log_of(data, clock)
    copy_back(copy, data, DATABASE)

    cut(data, 0.7)
    await stopped(data, clock)
    report = rebuild(data, Disk(), os.urandom)
    assert (report.records, report.days) == (6, ("2026-11-25", "2026-11-26"))
    assert report.received == (clock.ms - 86_400_000, clock.ms)
    assert rebuild(data, Disk(), os.urandom).received is None
    assert await log_of(data, clock) == before


def cut(data: Path, after: float) -> None:
    """Interrupt a rebuild once this part of it is done."""

    class Interrupted(Exception):
        pass

    def interrupt(part: float) -> None:
        if part >= after:
            raise Interrupted

    with pytest.raises(Interrupted):
        rebuild(data, Disk(), os.urandom, interrupt)


@pytest.mark.parametrize("after", [0, 0.5, 1])
async def test_an_interrupted_rebuild_of_a_lost_database_is_repeated(
    after: float, tmp_path: Path, clock: FrozenClock
) -> None:
    await filled(tmp_path, clock, range(1, 5))
    clock.advance(86_400)
    await filled(tmp_path, clock, range(5, 9))
    before = await log_of(tmp_path, clock)
    (tmp_path / DATABASE).unlink()
    cut(tmp_path, after)
    with pytest.raises(StartFault, match=r"--rebuild.*was interrupted: repeat it"):
        async with opened(tmp_path, clock):
            pass
    if after < 1:
        cut(tmp_path, after)
    report = rebuild(tmp_path, Disk(), os.urandom)
    assert report.is_new_database
    assert report.quarantined == ()
    assert (report.records, report.days) == (8, ("2026-11-25", "2026-11-26"))
    assert report.received == (clock.ms - 86_400_000, clock.ms)
    assert await log_of(tmp_path, clock) == before
    async with opened(tmp_path, clock) as store:
        assert store.changes_lost_since == clock.ms - 86_400_000


async def test_the_log_of_a_rebuild_stays_short(tmp_path: Path, clock: FrozenClock) -> None:
    await filled(tmp_path, clock, range(40))
    (tmp_path / DATABASE).unlink()
    sizes: list[int] = []
    rebuild(
        tmp_path, Disk(), os.urandom, lambda part: sizes.append((tmp_path / WAL).stat().st_size)
    )
    assert len(sizes) == 40
    # A group writes some 15 pages of 4 KB.
    assert max(sizes) < 520 * 4120


@pytest.mark.parametrize("is_lost", [True, False])
async def test_a_killed_rebuild_goes_on_where_it_was(
    is_lost: bool, tmp_path: Path, clock: FrozenClock
) -> None:
    """Its database has a write-ahead log, in which the log has another id."""
    data, left, copy = tmp_path / "data", tmp_path / "left", tmp_path / "copy"
    await filled(data, clock, range(1, 2))
    shutil.copytree(data, copy)
    for seed in range(2, 6):
        clock.advance(86_400)
        await filled(data, clock, range(seed, seed + 1))
    _, before = await log_of(data, clock)
    copy_back(copy, data, *(() if is_lost else (DATABASE,)))
    (data / "media" / "2026-11-26.pack").unlink()
    rebuild(data, Disk(), os.urandom, lambda part: killed_at(part, data, left))
    assert (left / WAL).stat().st_size
    with pytest.raises(StartFault, match="was interrupted: repeat it"):
        async with opened(left, clock):
            pass
    report = rebuild(left, Disk(), os.urandom)
    assert (report.records, report.quarantined) == (4 if is_lost else 3, ())
    assert (await log_of(left, clock))[1] == [before[0], *before[2:]]


def killed_at(part: float, data: Path, left: Path) -> None:
    """Copy the directory once, as a kill -9 in the middle leaves it."""
    if part > 0.5 and not left.exists():
        copy_as_left(data, left)


@pytest.mark.parametrize("after", [0, 0.4, 0.7, 1])
async def test_an_interrupted_rebuild_of_several_logs_is_repeated(
    after: float, tmp_path: Path, clock: FrozenClock
) -> None:
    """What is put aside gives the log a new id: a pack may hold groups of several."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(1, 3))
    shutil.copytree(data, copy)
    await filled(data, clock, range(3, 5))
    copy_back(copy, data, DATABASE)
    set_aside(data, Disk(), os.urandom)
    await filled(data, clock, range(5, 9))
    log_id, records = await log_of(data, clock)
    (data / DATABASE).unlink()
    cut(data, after)
    assert rebuild(data, Disk(), os.urandom).quarantined == ()
    new_id, found = await log_of(data, clock)
    assert new_id != log_id
    assert found == records


async def test_an_interrupted_rebuild_remembers_that_groups_are_missing(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(1, 3))
    shutil.copytree(data, copy)
    for day in range(3):
        clock.advance(86_400)
        await filled(data, clock, range(3 + day, 4 + day))
    log_id, _ = await log_of(data, clock)
    copy_back(copy, data, DATABASE)
    (data / "media" / "2026-11-26.pack").unlink()
    cut(data, 0.5)
    report = rebuild(data, Disk(), os.urandom)
    assert report.log_id_changed
    assert report.quarantined == ()
    new_id, found = await log_of(data, clock)
    assert new_id != log_id
    assert [record.seq for record in found] == [1, 2, 4, 5]
    async with opened(data, clock) as store:
        assert await store.erased.earlier_logs() == (EarlierLog(log_id, 5),)


async def test_what_an_interrupted_rebuild_left_can_be_set_aside(
    tmp_path: Path, clock: FrozenClock
) -> None:
    await filled(tmp_path, clock, SEEDS)
    (tmp_path / DATABASE).unlink()
    cut(tmp_path, 0.5)
    set_aside(tmp_path, Disk(), os.urandom)
    _, found = await log_of(tmp_path, clock)
    assert 0 < len(found) < len(SEEDS)
    async with opened(tmp_path, clock) as store:
        assert store.changes_lost_since == clock.ms


async def test_a_database_without_a_record_takes_those_of_any_log(
    tmp_path: Path, clock: FrozenClock
) -> None:
    """Somebody started a new hub before the packs were put beside it."""
    old, new = tmp_path / "old", tmp_path / "new"
    await filled(old, clock, SEEDS)
    before = await log_of(old, clock)
    async with opened(new, clock) as store:
        await store.devices.add([NewDevice(sn="S", code="12345678")])
    shutil.copy(old / "media" / "2026-11-25.pack", new / "media")
    report = rebuild(new, Disk(), os.urandom)
    assert (report.records, report.quarantined) == (len(SEEDS), ())
    assert not report.is_new_database
    assert await log_of(new, clock) == before


async def test_a_rebuild_of_a_sound_directory_changes_nothing(
    tmp_path: Path, clock: FrozenClock
) -> None:
    await filled(tmp_path, clock, SEEDS)
    before = await log_of(tmp_path, clock)
    report = rebuild(tmp_path, Disk(), os.urandom)
    assert (report.records, report.quarantined, report.log_id_changed) == (0, (), False)
    assert await log_of(tmp_path, clock) == before


async def test_damaged_records_are_counted_and_the_others_come_back(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(1, 3))
    shutil.copytree(data, copy)
    await filled(data, clock, range(3, 8))
    copy_back(copy, data, DATABASE)
    pack = data / "media" / "2026-11-25.pack"
    whole = bytearray(pack.read_bytes())
    at = whole.find(b'{"seq":4')
    whole[at + 10] ^= 1
    pack.write_bytes(whole)
    report = rebuild(data, Disk(), os.urandom)
    assert (report.records, report.unreadable) == (4, 1)
    _, found = await log_of(data, clock)
    assert [record.seq for record in found] == [1, 2, 3, 5, 6, 7]


async def test_a_gap_in_the_packs_gives_the_log_a_new_id(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(1, 3))
    shutil.copytree(data, copy)
    for day in range(2):
        clock.advance(86_400)
        await filled(data, clock, range(3 + day, 4 + day))
    log_id, _ = await log_of(data, clock)
    copy_back(copy, data, DATABASE)
    (data / "media" / "2026-11-26.pack").unlink()
    assert rebuild(data, Disk(), os.urandom).log_id_changed
    new_id, found = await log_of(data, clock)
    assert new_id != log_id
    assert [record.seq for record in found] == [1, 2, 4]


async def test_setting_aside_goes_on_above_everything_seen(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(1, 3))
    shutil.copytree(data, copy)
    await filled(data, clock, range(3, 5))
    clock.advance(86_400)
    await filled(data, clock, range(5, 8))
    log_id, _ = await log_of(data, clock)
    end = (copy / "media" / "2026-11-25.pack").stat().st_size
    copy_back(copy, data, DATABASE)
    before = content(data)
    report = set_aside(data, Disk(), os.urandom)
    assert report.records == 5
    assert report.quarantined == (f"2026-11-25.from-{end}.pack", "2026-11-26.pack")
    aside = data / "media" / "set-aside"
    assert (aside / report.quarantined[0]).read_bytes() == before["media/2026-11-25.pack"][end:]
    assert (aside / report.quarantined[1]).read_bytes() == before["media/2026-11-26.pack"]
    async with opened(data, clock) as store:
        assert store.log_id != log_id
        assert [record.seq for record in await records_of(store)] == [1, 2]
        assert store.records.last_seq == 7
        assert (await store.records.append(batch(clock, 9))).seqs == (8,)
        assert await is_whole(store, 8, batch(clock, 9).uploads[0])
    await log_of(data, clock)


async def test_what_is_set_aside_twice_keeps_both(tmp_path: Path, clock: FrozenClock) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(1, 2))
    shutil.copytree(data, copy)
    clock.advance(86_400)
    for seeds in (range(2, 3), range(3, 6)):
        await filled(data, clock, seeds)
        copy_back(copy, data, DATABASE)
        set_aside(data, Disk(), os.urandom)
    names = {path.name for path in (data / "media" / "set-aside").iterdir()}
    assert names == {"2026-11-26.pack", "2026-11-26-2.pack"}


async def test_setting_aside_the_packs_of_a_lost_database_starts_anew(
    tmp_path: Path, clock: FrozenClock
) -> None:
    await filled(tmp_path, clock, SEEDS)
    log_id, _ = await log_of(tmp_path, clock)
    (tmp_path / DATABASE).write_bytes(b"")
    report = set_aside(tmp_path, Disk(), os.urandom)
    assert report.is_new_database
    assert report.quarantined == (DATABASE, "2026-11-25.pack")
    async with opened(tmp_path, clock) as store:
        assert store.log_id != log_id
        assert (await store.records.append(batch(clock, 9))).seqs == (8,)


async def test_setting_aside_from_a_sound_directory_changes_nothing(
    tmp_path: Path, clock: FrozenClock
) -> None:
    await filled(tmp_path, clock, SEEDS)
    before = await log_of(tmp_path, clock)
    assert set_aside(tmp_path, Disk(), os.urandom).quarantined == ()
    assert await log_of(tmp_path, clock) == before


async def test_packs_whose_groups_alternate_are_replayed_in_the_order_of_the_log(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        for seed in range(1, 7):
            await store.records.append(batch(clock, seed))
            clock.advance(86_400 if seed % 2 else -86_400)
        commits_in_order = [record.seq for record in await records_of(store)]
    before = await log_of(tmp_path, clock)
    (tmp_path / DATABASE).unlink()
    parts: list[float] = []
    report = rebuild(tmp_path, Disk(), os.urandom, parts.append)
    assert (report.records, report.refused, report.quarantined) == (6, 0, ())
    assert len(parts) == 6
    assert commits_in_order == [1, 2, 3, 4, 5, 6]
    assert await log_of(tmp_path, clock) == before


@pytest.mark.expects_error("nothing can be stored now")
async def test_groups_that_were_refused_are_left_out(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    await filled(data, clock, range(1, 2))
    shutil.copytree(data, tmp_path / "copy")
    with monkeypatch.context() as patch:
        commits = FailingCommits()
        commits.install(patch)
        async with opened(data, clock) as store:
            for seed, commits.failing in ((2, True), (3, False), (4, True), (5, True), (6, False)):
                with suppress(CannotStoreNow):
                    await store.records.append(batch(clock, seed))
    before = await log_of(data, clock)
    assert [record.seq for record in before[1]] == [1, 2, 3]
    copy_back(tmp_path / "copy", data, DATABASE)
    report = rebuild(data, Disk(), os.urandom)
    assert (report.records, report.refused) == (2, 3)
    assert await log_of(data, clock) == before


async def test_held_evidence_of_a_lost_database_is_in_the_log_again(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        for seed in range(1, 5):
            await store.records.append(batch(clock, seed))
        hold = NewHold(reason="police", created_by="user ann", created_at=clock.ms)
        await store.holds.create(hold, [2, 3])
        clock.advance(86_400)
        await store.records.append(batch(clock, 5))
        await drop_day(store, "2026-11-25")
        before = await records_of(store)
    (data / DATABASE).unlink()
    report = rebuild(data, Disk(), os.urandom)
    assert report.records == 3
    async with opened(data, clock) as store:
        assert await records_of(store) == before
        assert [record.seq for record in before] == [2, 3, 5]
        for seq in (2, 3):
            assert await store.pictures.read(seq, "face") is not None
        (again,) = await store.holds.newest()
        assert (again.records, again.until) == (2, None)
        await store.holds.end(again.id, "ann", clock.ms)
        await store.evidence.remove_released()
        assert [record.seq for record in await records_of(store)] == [5]
        assert store.health == StoreHealth()
    assert rebuild(data, Disk(), os.urandom).records == 0


async def test_what_was_set_aside_can_be_brought_back(tmp_path: Path, clock: FrozenClock) -> None:
    """Although its places in the packs are taken, and some of it was never acknowledged."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(1, 3))
    shutil.copytree(data, copy)
    await filled(data, clock, range(3, 5))
    clock.advance(86_400)
    await filled(data, clock, range(5, 7))
    _, before = await log_of(data, clock)
    copy_back(copy, data, DATABASE)
    set_aside(data, Disk(), os.urandom)
    clock.advance(-86_400)
    await filled(data, clock, range(7, 9))
    clock.advance(86_400)
    log_id, between = await log_of(data, clock)
    assert [record.seq for record in between] == [1, 2, 7, 8]
    aside = content(data / "media" / "set-aside")
    report = bring_back(data, Disk(), os.urandom)
    assert (report.records, report.unreadable, report.refused, report.replaced) == (4, 0, 0, 0)
    assert report.days == ("2026-11-25", "2026-11-26")
    assert report.log_id_changed
    new_id, found = await log_of(data, clock)
    assert new_id != log_id
    assert [record.seq for record in found] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [record for record in found if record.seq < 7] == before
    assert content(data / "media" / "set-aside") == aside
    assert bring_back(data, Disk(), os.urandom).records == 0
    assert await log_of(data, clock) == (new_id, found)
    async with opened(data, clock) as store:
        for seed in range(1, 9):
            assert await is_whole(store, seed, batch(clock, seed).uploads[0])
        await drop_day(store, "2026-11-25")
        assert [record.seq for record in await records_of(store)] == [5, 6]
    # And all of it once more, from the packs alone.
    (data / DATABASE).unlink()
    assert rebuild(data, Disk(), os.urandom).records == 2


async def erase(data: Path, clock: FrozenClock, manner: ErasureManner) -> int:
    """Note an erasure of what is in the log now."""
    async with opened(data, clock) as store:
        new = NewErasure(
            created_by="Ann",
            created_at=clock.ms,
            manner=manner,
            subject=Subject(uuids=("p1",)),
            with_held=False,
            last_seq=store.records.last_seq,
        )
        id = await store.erasures.add(new)
        await store.erasures.finish(id, ErasureReport(), clock.ms)
    return id


async def test_who_was_erased_since_does_not_come_back_unasked(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    await filled(data, clock, range(1, 3))
    await erase(data, clock, "person")  # of nothing that is set aside later
    shutil.copytree(data, copy)
    await filled(data, clock, range(3, 5))
    copy_back(copy, data, DATABASE)
    set_aside(data, Disk(), os.urandom)
    await filled(data, clock, range(5, 6))
    before = await log_of(data, clock)
    await erase(data, clock, "records")  # what was set aside was not among them
    clock.advance(60)
    id = await erase(data, clock, "person")
    report = bring_back(data, Disk(), os.urandom)
    assert (report.erased, report.records) == (((id, clock.ms),), 0)
    assert await log_of(data, clock) == before
    report = bring_back(data, Disk(), os.urandom, with_erased=True)
    assert (report.erased, report.records) == ((), 2)
    assert [record.seq for record in (await log_of(data, clock))[1]] == [1, 2, 3, 4, 5]
    # All of it is in the log by now.
    assert bring_back(data, Disk(), os.urandom).erased == ()


async def test_bringing_back_is_interrupted_and_repeated(
    tmp_path: Path, clock: FrozenClock
) -> None:
    await filled(tmp_path, clock, SEEDS)
    _, before = await log_of(tmp_path, clock)
    (tmp_path / DATABASE).unlink()
    set_aside(tmp_path, Disk(), os.urandom)

    def interrupt(part: float) -> None:
        if part > 0.5:
            raise KeyError

    with pytest.raises(KeyError):
        bring_back(tmp_path, Disk(), os.urandom, interrupt)
    await log_of(tmp_path, clock)
    report = bring_back(tmp_path, Disk(), os.urandom)
    assert (report.records, report.received) == (len(SEEDS), (clock.ms, clock.ms))
    assert (await log_of(tmp_path, clock))[1] == before


@pytest.mark.expects_error("nothing can be stored now")
async def test_what_was_never_acknowledged_is_not_brought_back(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        commits = FailingCommits()
        commits.install(patch)
        async with opened(tmp_path, clock) as store:
            for seed, commits.failing in ((1, False), (2, True), (3, False), (4, False)):
                with suppress(CannotStoreNow):
                    await store.records.append(batch(clock, seed))
    (tmp_path / DATABASE).unlink()
    set_aside(tmp_path, Disk(), os.urandom)
    report = bring_back(tmp_path, Disk(), os.urandom)
    assert (report.records, report.refused) == (3, 1)


async def test_a_number_that_another_record_has_by_now_is_left_out(
    tmp_path: Path, clock: FrozenClock
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    await filled(one, clock, range(1, 4))
    clock.advance(60)
    await filled(other, clock, range(1, 3))
    (one / "media" / "set-aside").mkdir()
    shutil.copy(other / "media" / "2026-11-25.pack", one / "media" / "set-aside")
    before = await log_of(one, clock)
    report = bring_back(one, Disk(), os.urandom)
    assert (report.records, report.replaced) == (0, 2)
    assert await log_of(one, clock) == before
