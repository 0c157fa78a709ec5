"""Erasing records: nothing of a person is left in any file of the store."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from hub.clock_reading import Reading
from hub.errors import CannotStoreNow
from hub.store.commit.record_batch import RecordBatch
from hub.store.db import Store
from hub.store.health import StoreHealth
from hub.store.people.people import PersonFilter, PersonPut
from hub.store.people.person_rows import PersonChange
from hub.store.records import erasing
from hub.store.records.record_filter import RecordFilter
from hub.store.tables.erasures import Erasure, ErasureReport, NewErasure, Subject
from hub.store.tables.holds import NewHold
from hub.wire.uploads.records import AccessDetail, EventDetail, FaceDetail
from tests.support.clock import FrozenClock
from tests.support.failing_commits import FailingCommits
from tests.support.stores import (
    FaultyDisk,
    batch,
    batch_of,
    copy_as_left,
    drop_day,
    is_whole,
    opened,
)

DAY = 86_400
FIRST, SECOND = "2026-11-25", "2026-11-26"
NAME, NUMBER = "Zhang Wuji", "4711-0815"
HERS = FaceDetail(name=NAME, age=33, uuid=NUMBER, category=2)


def seen(clock: FrozenClock, seed: int) -> RecordBatch:
    """A capture of the person to be erased."""
    return batch(clock, seed, detail=HERS, did="7")


def others(clock: FrozenClock, seed: int) -> RecordBatch:
    return batch(clock, seed, detail=FaceDetail(name="Somebody", uuid=f"n{seed}"))


async def fill(store: Store, clock: FrozenClock) -> None:
    """Two days with records 1 and 3, and 5, of the person, and others between."""
    await store.records.append(seen(clock, 1))
    await store.records.append(others(clock, 2))
    await store.records.append(seen(clock, 3))
    clock.advance(DAY)
    await store.records.append(others(clock, 4))
    await store.records.append(seen(clock, 5))
    await store.records.append(others(clock, 6))


async def erase(
    store: Store, clock: FrozenClock, subject: Subject, *, with_held: bool = False
) -> Erasure:
    """Erase, and finish the erasure."""
    await begin(store, clock, subject, with_held=with_held)
    return await go_on(store, clock)


async def begin(
    store: Store, clock: FrozenClock, subject: Subject, *, with_held: bool = False
) -> None:
    new = NewErasure(
        created_by="user ann",
        created_at=clock.ms,
        manner="person",
        subject=subject,
        with_held=with_held,
        last_seq=store.records.last_seq,
    )
    await store.erasures.add(new)


async def go_on(store: Store, clock: FrozenClock) -> Erasure:
    ((erasure, subject),) = await store.erasures.unfinished()
    await store.eraser.run(erasure, subject)
    await store.erasures.finish(erasure.id, ErasureReport(dids=("7",)), clock.ms)
    finished = await store.erasures.get(erasure.id)
    assert finished is not None
    return finished


def pictures_of(batch: RecordBatch) -> list[bytes]:
    return [bytes(picture.data) for upload in batch.uploads for picture in upload.pictures]


def files_with(data: Path, needles: list[bytes]) -> set[str]:
    """The files of the store that contain one of these."""
    return {
        path.name
        for path in data.rglob("*")
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    }


def needles(clock: FrozenClock, *seeds: int) -> list[bytes]:
    pictures = [picture for seed in seeds for picture in pictures_of(seen(clock, seed))]
    parts = [picture[100:200] for picture in pictures]
    return [NAME.encode(), NAME.casefold().encode(), NUMBER.encode(), *parts]


async def assert_shell(store: Store, seq: int) -> None:
    record = await store.records.get(seq)
    assert record is not None
    assert record.erased
    assert (record.images, bytes(record.extra)) == ((), b"{}")
    assert record.detail == FaceDetail()
    assert await store.pictures.read(seq, "face") is None


async def test_nothing_of_a_person_is_left_in_the_files(tmp_path: Path, clock: FrozenClock) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await fill(store, clock)
        assert files_with(data, needles(clock, 1, 3, 5)) >= {f"{FIRST}.pack", f"{SECOND}.pack"}
        erasure = await erase(store, clock, Subject(uuids=(NUMBER,)))
        assert files_with(data, needles(clock, 1, 3, 5)) == set()
        assert (erasure.records, erasure.pictures, erasure.bytes) == (3, 9, 13500)
        for seq in (1, 3, 5):
            await assert_shell(store, seq)
        for seq in (2, 4, 6):
            assert await is_whole(store, seq, others(clock, seq).uploads[0])
        page = await store.records.page(RecordFilter())
        assert [record.seq for record in page.items] == [1, 2, 3, 4, 5, 6]
        assert (await store.records.page(RecordFilter(name=NAME))).items == ()
        assert (await store.records.page(RecordFilter(uuid=NUMBER))).items == ()
        assert store.health == StoreHealth()
    assert files_with(data, needles(clock, 1, 3, 5)) == set()
    async with opened(data, clock) as store:
        assert await store.check() == ""
        await assert_shell(store, 1)


@pytest.mark.parametrize("seed", [1, 3, 7])
async def test_nothing_is_left_in_a_database_of_many_people(
    tmp_path: Path, clock: FrozenClock, seed: int
) -> None:
    """Indexes of thousands of rows: SQLite copies what is in a page when it splits it."""
    data, choice, count = tmp_path / "data", random.Random(seed), 0
    async with opened(data, clock) as store:
        while count < 3_000:
            uploads = []
            for _ in range(choice.choice((1, 2, 5, 20, 55))):
                count += 1
                uuid = str(choice.randrange(10 ** choice.randrange(1, 12)))
                other = FaceDetail(name=f"N{uuid}", uuid=uuid)
                detail = HERS if count % 50 == 0 else other
                uploads += batch(clock, count, detail=detail, pictures=0).uploads
            await store.records.append(batch_of(clock, uploads, seed=count))
        erasure = await erase(store, clock, Subject(uuids=(NUMBER,)))
        assert erasure.records == count // 50
        assert files_with(data, needles(clock)) == set()


@pytest.mark.parametrize("seed", [29, 33, 37])
async def test_nothing_of_erased_people_is_left_in_a_register_of_many(
    tmp_path: Path, clock: FrozenClock, seed: int
) -> None:
    data, choice = tmp_path / "data", random.Random(seed)
    pids = [str(one) for one in choice.sample(range(10**7, 10**8), 2_000)]
    async with opened(data, clock) as store:
        group = await store.camera_groups.add("Gate", [])
        for start in range(0, len(pids), 50):
            puts = [
                PersonPut(
                    pid=pid,
                    change=PersonChange(
                        name=f"N{pid}", note="n" * choice.randrange(60), groups=(group.id,)
                    ),
                )
                for pid in pids[start : start + 50]
            ]
            await store.people.put(puts, "ada", 5)
        gone = choice.sample(pids, 30)
        for pid in gone:
            await store.people.erase(pid)
        await erase(store, clock, Subject(uuids=(gone[0],)))
        assert files_with(data, [pid.encode() for pid in gone]) == set()
        kept = await store.people.count(PersonFilter(group=group.id), Reading(0, 0, 0))
        assert kept == len(pids) - len(gone)


async def test_an_erased_upload_that_is_sent_again_is_a_repeat(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        await erase(store, clock, Subject(uuids=(NUMBER,)))
        again = await store.records.append(seen(clock, 5))
        assert (again.seqs, again.repeated) == ((5,), True)
        await assert_shell(store, 5)


async def test_held_records_are_erased_only_if_that_is_asked_for(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await fill(store, clock)
        hold = NewHold(reason="police", created_by="ann", created_at=clock.ms)
        await store.holds.create(hold, [1, 2])
        await drop_day(store, FIRST)
        preview = await store.eraser.preview(Subject(uuids=(NUMBER,)), store.records.last_seq)
        assert (preview.records, preview.pictures, preview.held) == (2, 6, 1)
        assert (preview.first_day, preview.last_day, preview.dids) == (FIRST, SECOND, ("7",))
        assert (await erase(store, clock, Subject(uuids=(NUMBER,)))).records == 1
        assert await is_whole(store, 1, batch_of_day(clock, 1))
        asked = await erase(store, clock, Subject(uuids=(NUMBER,)), with_held=True)
        assert (asked.records, asked.pictures) == (1, 3)
        await assert_shell(store, 1)
        assert await store.pictures.read(2, "face") is not None
        assert files_with(data, needles(clock, 1, 5)) == set()
        assert store.health == StoreHealth()


def batch_of_day(clock: FrozenClock, seed: int):  # type: ignore[no-untyped-def]
    clock.advance(-DAY)
    sent = seen(clock, seed).uploads[0]
    clock.advance(DAY)
    return sent


async def test_a_name_without_a_number_is_found_among_others_of_this_name(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        await store.records.append(batch(clock, 7, detail=FaceDetail(name=NAME.upper())))
        await store.records.append(batch(clock, 8, detail=FaceDetail(name=f"{NAME} II")))
        found = await store.eraser.find_name(NAME)
        assert [(one.uuid, one.records, one.last_seq) for one in found] == [
            ("", 1, 7),
            (NUMBER, 3, 5),
        ]
        await erase(store, clock, found[0].subject)
        await assert_shell(store, 7)
        for seq in (1, 3, 5, 8):
            record = await store.records.get(seq)
            assert record is not None
            assert not record.erased
        one = await store.eraser.find_uuid(NUMBER)
        assert one is not None
        assert (one.name, one.records) == (NAME, 3)
        assert await store.eraser.find_uuid("nobody") is None


@pytest.mark.parametrize("number", ["0", "000", str(2**63)])
async def test_no_number_of_strangers_erases_them(
    number: str, tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await store.records.append(batch(clock, 1, detail=FaceDetail(uuid=number)))
        subject = Subject(uuids=(number,))
        assert (await store.eraser.preview(subject, 1)).records == 0
        await erase(store, clock, subject)
        record = await store.records.get(1)
        assert record is not None
        assert not record.erased


async def test_a_picture_goes_with_the_access_record_that_it_belongs_to(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:

        async def append(seed: int, uuid: str = "", *, follows: bool = False) -> None:
            detail = AccessDetail() if follows else AccessDetail(rid="1", uuid=uuid)
            await store.records.append(
                batch(clock, seed, kind="access", detail=detail, pictures=1, follows_access=follows)
            )

        await append(1, NUMBER)
        await append(2, follows=True)
        await append(3, follows=True)
        await append(4, "another")
        await append(5, follows=True)
        assert (await erase(store, clock, Subject(uuids=(NUMBER,)))).records == 3
        erased = [(await store.records.get(seq)) for seq in range(1, 6)]
        assert [one.erased for one in erased if one] == [True, True, True, False, False]


async def test_records_chosen_by_hand_are_erased_whatever_they_are(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        event = EventDetail(type=3, name=NAME, category=2)
        await store.records.append(batch(clock, 7, kind="event", detail=event))
        await erase(store, clock, Subject(seqs=(2, 7)))
        await assert_shell(store, 2)
        erased = await store.records.get(7)
        assert erased is not None
        assert (erased.detail, erased.erased) == (EventDetail(type=3), True)
        assert (await store.records.page(RecordFilter(type=3))).items == (erased,)


async def test_what_comes_later_is_not_erased(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        await begin(store, clock, Subject(uuids=(NUMBER,)))
        await store.records.append(seen(clock, 7))
        assert (await go_on(store, clock)).records == 3
        assert await is_whole(store, 7, seen(clock, 7).uploads[0])


@pytest.mark.parametrize("left_off", ["_overwrite", "_overwritten", "_empty_wal"])
async def test_an_interrupted_erasure_goes_on_after_the_next_start(
    tmp_path: Path, clock: FrozenClock, left_off: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, left = tmp_path / "data", tmp_path / "left"
    async with opened(data, clock) as store:
        await fill(store, clock)
        await begin(store, clock, Subject(uuids=(NUMBER,)))
        _stop_at(store.eraser, left_off, monkeypatch)
        with pytest.raises(CannotStoreNow):
            await go_on(store, clock)
        await assert_shell(store, 1)
        copy_as_left(data, left)
    async with opened(left, clock) as store:
        await assert_shell(store, 1)
        erasure = await go_on(store, clock)
        assert (erasure.records, erasure.pictures) == (3, 9)
        assert files_with(left, needles(clock, 1, 3, 5)) == set()
        assert store.health == StoreHealth()


def _stop_at(eraser: erasing.Eraser, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    overwrite = eraser._overwrite

    def fail(*values: object) -> None:
        if step == "_overwritten":
            overwrite(*values)  # type: ignore[arg-type]
        raise OSError(5, "the power failed")

    async def cannot() -> bool:
        await trio.lowlevel.checkpoint()
        return False

    if step == "_empty_wal":
        monkeypatch.setattr(eraser, "_empty_wal", cannot)
    else:
        monkeypatch.setattr(eraser, "_overwrite", fail)


async def test_an_erasure_that_meets_a_full_disk_can_be_run_again(
    tmp_path: Path, clock: FrozenClock
) -> None:
    disk = FaultyDisk()
    data = tmp_path / "data"
    async with opened(data, clock, disk=disk) as store:
        await fill(store, clock)
        await begin(store, clock, Subject(uuids=(NUMBER,)))
        disk.failing = {"write"}
        with pytest.raises(CannotStoreNow):
            await go_on(store, clock)
        disk.failing = set()
        assert (await go_on(store, clock)).records == 3
        assert files_with(data, needles(clock, 1, 3, 5)) == set()


@pytest.mark.expects_error("nothing can be stored now")
async def test_a_refused_copy_of_an_upload_is_erased_too(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group whose COMMIT failed stays in the pack, and the camera sends the upload again."""
    data = tmp_path / "data"
    with monkeypatch.context() as patch:
        commits = FailingCommits()
        commits.install(patch)
        async with opened(data, clock) as store:
            await store.records.append(others(clock, 1))
            commits.failing = True
            with pytest.raises(CannotStoreNow):
                await store.records.append(seen(clock, 2))
            commits.failing = False
            await store.records.append(others(clock, 3))
            await store.records.append(seen(clock, 2))
            assert (data / "media" / f"{FIRST}.pack").read_bytes().count(NUMBER.encode()) == 2
            await erase(store, clock, Subject(uuids=(NUMBER,)))
            assert files_with(data, needles(clock, 2)) == set()
            assert await is_whole(store, 2, others(clock, 3).uploads[0])


async def test_an_erasure_writes_in_short_steps(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "_STEP_RECORDS", 1)
    monkeypatch.setattr("hub.store.commit.steps._MIN_SECONDS", 0.0)
    monkeypatch.setattr("hub.store.commit.steps._MAX_SECONDS", 0.0)
    changed: list[int] = []
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        write = store._writer.write

        async def counted(job: Callable[..., object], **more: object) -> object:
            return await write(_counting(job, changed), **more)  # type: ignore[arg-type]

        monkeypatch.setattr(store._writer, "write", counted)
        await erase(store, clock, Subject(uuids=(NUMBER,)))
    assert max(changed) <= 8 + 6  # six rows count a record: three before, three after it
    assert len(changed) > 8


def _counting(job: Callable[..., object], changed: list[int]) -> Callable[..., object]:
    def counted(connection):  # type: ignore[no-untyped-def]
        before = connection.total_changes
        value = job(connection)
        changed.append(connection.total_changes - before)
        return value

    return counted


async def test_a_finished_erasure_does_not_tell_whose_records_it_erased(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        erasure = await erase(store, clock, Subject(uuids=(NUMBER,)))
        assert await store.erasures.unfinished() == []
        assert await store.erasures.newest() == (erasure,)
        assert NUMBER not in repr(erasure)
        subjects = await store.read(
            lambda c: c.execute("SELECT subject, manner, created_by FROM erasure").fetchall()
        )
        assert subjects == [(None, "person", "user ann")]
