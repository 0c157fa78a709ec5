"""The records of an alarm are its evidence: they outlive their day, and go with the alarm."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

import pytest

from hub.errors import CannotStoreNow
from hub.store.alarms.alarm import AlarmDetail, Move, Sighting
from hub.store.alarms.raising import Blacklisted
from hub.store.alarms.rows import MAX_EVIDENCE
from hub.store.db import Store
from hub.store.records.record_filter import RecordFilter
from hub.store.tables.erasures import NewErasure, Subject
from hub.store.tables.holds import NewHold
from hub.wire.uploads.records import FaceDetail, Record
from tests.support.clock import FrozenClock
from tests.support.stores import FaultyDisk, batch, copy_as_left, drop_day, is_whole, opened

DAY = 86_400
FIRST = "2026-11-25"


class OfCategory2:
    """Raises an alarm for each person of category 2."""

    def judge(self, record: Record, blacklisted: Blacklisted) -> Sequence[Sighting]:
        detail = record.detail
        if not isinstance(detail, FaceDetail) or detail.category != 2:
            return ()
        sighting = Sighting(
            kind="blacklist",
            subject=detail.uuid or "",
            severity="critical",
            detail=AlarmDetail(name=detail.name or "", uuid=detail.uuid or ""),
            seq=record.seq,
            at=record.occurred_at,
            did=record.did,
        )
        return (sighting,)


def seen(name: str) -> FaceDetail:
    return FaceDetail(name=name, uuid=f"id {name}", category=2)


async def fill(store: Store, clock: FrozenClock, names: Sequence[str]) -> None:
    """Store a capture of each name, "" for somebody else, and let the day end."""
    store.alarms.use(OfCategory2())
    for seed, name in enumerate(names, 1):
        detail = seen(name) if name else FaceDetail(name="other")
        await store.records.append(batch(clock, seed, detail=detail))
    clock.advance(DAY)
    await store.records.append(batch(clock, 99))


async def seqs(store: Store) -> list[int]:
    return [one.seq for one in (await store.records.page(RecordFilter())).items]


async def is_kept(store: Store, clock: FrozenClock, seed: int, name: str) -> bool:
    return await is_whole(store, seed, batch(clock, seed, detail=seen(name)).uploads[0])


async def test_the_records_of_an_alarm_outlive_their_day(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock, ["ann", "", "ann", "bob"])
        await drop_day(store, FIRST)
        assert await seqs(store) == [1, 3, 4, 5]
        assert await is_kept(store, clock, 3, "ann")
        assert await store.pictures.read(2, "face") is None
    async with opened(tmp_path / "data", clock) as store:
        assert await is_kept(store, clock, 4, "bob")


async def test_they_go_with_the_alarm_once_it_is_old_and_closed(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock, ["ann", "bob"])
        await drop_day(store, FIRST)
        await store.alarms.move([1], Move("closed", clock.ms, "user ann"))
        assert not await store.alarms.forget_before(clock.ms - 2 * DAY * 1000)
        assert await store.alarms.get(1)
        assert not await store.alarms.forget_before(clock.ms + 1)
        await store.evidence.remove_released()
        assert await store.alarms.get(1) is None
        assert await store.alarms.history(1) == ()
        assert await store.alarms.get(2)
        assert await seqs(store) == [2, 3]


async def test_of_many_records_the_first_and_the_last_are_kept(
    tmp_path: Path, clock: FrozenClock
) -> None:
    count = MAX_EVIDENCE + 5
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock, ["ann"] * count)
        await drop_day(store, FIRST)
        assert await seqs(store) == [*range(1, MAX_EVIDENCE), count, count + 1]


async def test_a_record_of_a_hold_and_an_alarm_stays_as_long_as_either(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock, ["ann"])
        new = NewHold(reason="x", created_by="ann", created_at=clock.ms)
        hold = (await store.holds.create(new, [1])).hold
        await drop_day(store, FIRST)
        assert await store.holds.count_only_here(hold.id) == 0
        await store.holds.end(hold.id, "ann", clock.ms)
        await store.evidence.remove_released()
        assert await seqs(store) == [1, 2]


async def test_too_many_closed_alarms_go_oldest_first(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.tables.alarms.MAX_CLOSED", 2)
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock, ["a", "b", "c", "d"])
        await store.alarms.move([1, 2, 3], Move("closed", clock.ms, "x"))
        await store.alarms.forget_excess()
        assert [await store.alarms.get(seq) is not None for seq in (1, 2, 3, 4)] == [
            *(False, True, True, True)
        ]


async def erase(store: Store, clock: FrozenClock, *, with_held: bool) -> None:
    new = NewErasure(
        created_by="ann",
        created_at=clock.ms,
        manner="person",
        subject=Subject(uuids=("id ann",)),
        with_held=with_held,
        last_seq=store.records.last_seq,
    )
    await store.erasures.add(new)
    ((erasure, subject),) = await store.erasures.unfinished()
    await store.eraser.run(erasure, subject)


async def test_an_erasure_keeps_evidence_of_alarms_unless_it_is_meant_too(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock, ["ann"])
        assert (await store.eraser.preview(Subject(uuids=("id ann",)), 9)).held == 1
        await erase(store, clock, with_held=False)
        assert await is_kept(store, clock, 1, "ann")


async def test_an_erasure_leaves_nothing_of_the_person_in_alarms(
    tmp_path: Path, clock: FrozenClock
) -> None:
    name = "Zhang Wuji"
    async with opened(tmp_path / "data", clock) as store:
        store.alarms.use(OfCategory2())
        for seed in range(1, 4):
            detail = FaceDetail(name=name, uuid="id ann", category=2)
            await store.records.append(batch(clock, seed, detail=detail))
        await store.alarms.move([1], Move("acknowledged", clock.ms, "user mei", f"it is {name}"))
        await erase(store, clock, with_held=True)
        await store.alarms.reload()
        (alarm,) = store.alarms.active()
        assert (alarm.subject, alarm.detail.name, alarm.note) == ("erased 1", "", "")
        assert [step.note for step in await store.alarms.history(1)] == ["", ""]
        copy_as_left(tmp_path / "data", tmp_path / "copy")
        for file in (tmp_path / "copy").rglob("*"):
            assert not file.is_file() or name.encode() not in file.read_bytes(), file


async def test_on_a_full_disk_the_evidence_of_alarms_does_not_keep_a_day(
    tmp_path: Path, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The hub drops days to be able to store: it must not stand still for the sake of old ones."""
    disk = FaultyDisk()
    async with opened(tmp_path / "data", clock, disk=disk) as store:
        await fill(store, clock, ["ann", "bob"])
        disk.failing = {"write"}
        await drop_day(store, FIRST)
        assert await seqs(store) == [3]
        assert store.evidence.problem == ""
        assert "the evidence of alarms of 2026-11-25 goes" in caplog.text
        assert len(store.alarms.active()) == 2


async def test_another_fault_of_the_disk_or_a_hold_keeps_the_day(
    tmp_path: Path, clock: FrozenClock
) -> None:
    disk = FaultyDisk()
    async with opened(tmp_path / "data", clock, disk=disk) as store:
        await fill(store, clock, ["ann", "bob"])
        disk.failing = {"write"}
        disk.error = OSError(errno.EIO, "input/output error")
        with pytest.raises(CannotStoreNow):
            await drop_day(store, FIRST)
        disk.failing = set()
        await store.holds.create(NewHold(reason="x", created_by="ann", created_at=clock.ms), [2])
        disk.failing = {"write"}
        disk.error = OSError(errno.ENOSPC, "no space")
        with pytest.raises(CannotStoreNow):
            await drop_day(store, FIRST)
        disk.failing = set()
        await drop_day(store, FIRST)
        assert await seqs(store) == [1, 2, 3]
