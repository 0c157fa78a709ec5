"""Holds: records that outlive their day, and go when nobody holds them any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource
from hub.store.db import Store
from hub.store.disk import Buffer
from hub.store.health import StoreHealth
from hub.store.records import held_evidence
from hub.store.records.record_filter import RecordFilter
from hub.store.sqlite.connection import Job
from hub.store.tables import holds
from hub.store.tables.holds import NewHold
from hub.wire.uploads.records import FaceDetail
from tests.support.clock import FrozenClock
from tests.support.stores import FaultyDisk, batch, copy_as_left, drop_day, is_whole, opened

DAY = 86_400
FIRST = "2026-11-25"


def new_hold(clock: FrozenClock, until: int | None = None) -> NewHold:
    return NewHold(reason="keep for the police", until=until, created_by="ann", created_at=clock.ms)


async def fill(store: Store, clock: FrozenClock, count: int = 4) -> None:
    """Store records 1 to `count`, and let their day end."""
    for seed in range(1, count + 1):
        await store.records.append(batch(clock, seed, detail=FaceDetail(name=f"Name {seed}")))
    clock.advance(DAY)
    await store.records.append(batch(clock, 99))


async def is_kept(store: Store, clock: FrozenClock, seed: int) -> bool:
    sent = batch(clock, seed, detail=FaceDetail(name=f"Name {seed}")).uploads[0]
    return await is_whole(store, seed, sent)


async def seqs(store: Store, **filter: str) -> list[int]:
    page = await store.records.page(RecordFilter(**filter))  # type: ignore[arg-type]
    return [record.seq for record in page.items]


def held_packs(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "media" / "held").iterdir())


async def test_a_held_record_outlives_its_day(tmp_path: Path, clock: FrozenClock) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await fill(store, clock)
        await store.holds.create(new_hold(clock), [2, 3])
        await drop_day(store, FIRST)
        assert not (data / "media" / f"{FIRST}.pack").exists()
        assert await seqs(store) == [2, 3, 5]
        assert await seqs(store, name="name 3") == [3]
        assert await is_kept(store, clock, 2)
        assert await is_kept(store, clock, 3)
        assert await store.pictures.read(1, "face") is None
        assert store.evidence.use().records == 2
        assert store.evidence.use().bytes > 0
    async with opened(data, clock) as store:
        assert await is_kept(store, clock, 3)
        assert store.health == StoreHealth()


async def test_what_nobody_holds_any_more_goes_with_its_pictures(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await fill(store, clock)
        first = (await store.holds.create(new_hold(clock), [1, 2])).hold
        second = (await store.holds.create(new_hold(clock), [2, 3])).hold
        await drop_day(store, FIRST)
        size = store.evidence.use().bytes
        await store.holds.end(first.id, "ann", clock.ms)
        await store.evidence.remove_released()
        assert await seqs(store) == [2, 3, 5]
        assert await is_kept(store, clock, 2)
        assert store.evidence.use().bytes < size * 3 // 4
        assert held_packs(data) == [f"{FIRST}-2.pack"]
        await store.holds.end(second.id, "ann", clock.ms)
        await store.evidence.remove_released()
        assert await seqs(store) == [5]
        assert held_packs(data) == []
        assert store.evidence.use() == held_evidence.HeldUse(0, 0)


async def test_a_released_record_stays_as_long_as_its_day(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        hold = (await store.holds.create(new_hold(clock), [1])).hold
        await store.holds.end(hold.id, "ann", clock.ms)
        await store.evidence.remove_released()
        assert await is_kept(store, clock, 1)
        await drop_day(store, FIRST)
        assert await seqs(store) == [5]


async def test_a_hold_ends_by_itself(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        hold = (await store.holds.create(new_hold(clock, clock.ms + 1000), [1])).hold
        assert await store.holds.end_due(clock.ms) == []
        assert await store.holds.end_due(clock.ms + 1000) == [hold.id]
        ended = await store.holds.get(hold.id)
        assert (ended.ended_at, ended.ended_by, ended.records) == (clock.ms + 1000, "", 1)
        assert await store.holds.of_record(1) == ()


async def test_an_interrupted_move_loses_nothing_and_is_finished_later(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data directory is copied, as a crash would leave it, at every step of a move."""
    monkeypatch.setattr(held_evidence, "_STEP_RECORDS", 1)
    data, left = tmp_path / "data", tmp_path / "left"
    disk = CopyingDisk(data, left)
    async with opened(data, clock, disk=disk) as store:
        await fill(store, clock)
        await store.holds.create(new_hold(clock), [1, 3])
        disk.is_copying = True
        await drop_day(store, FIRST)
        disk.is_copying = False
    assert disk.copies == 8
    for number in range(disk.copies):
        async with opened(left / str(number), clock) as store:
            assert await is_kept(store, clock, 1)
            assert await is_kept(store, clock, 3)
            if store.retention.days()[0].day == FIRST:
                await drop_day(store, FIRST)
            assert await seqs(store) == [1, 3, 5]
            assert await is_kept(store, clock, 1)
            assert await is_kept(store, clock, 3)
            assert store.health == StoreHealth()


class CopyingDisk(FaultyDisk):
    """Copies the data directory before and after each write to a pack of held evidence."""

    def __init__(self, data: Path, left: Path) -> None:
        super().__init__()
        self.is_copying = False
        self.copies = 0
        self._data = data
        self._left = left

    def _copy(self) -> None:
        if self.is_copying:
            copy_as_left(self._data, self._left / str(self.copies))
            self.copies += 1

    def write(self, file: int, buffers: Sequence[Buffer], offset: int) -> None:
        self._copy()
        super().write(file, [memoryview(buffers[0])[:20]], offset)
        self._copy()
        super().write(file, buffers, offset)

    def flush(self, file: int) -> None:
        self._copy()
        super().flush(file)
        self._copy()


@pytest.mark.parametrize("step", ["open", "write", "part", "flush", "directory"])
async def test_a_day_stays_while_its_evidence_cannot_be_written(
    tmp_path: Path, clock: FrozenClock, step: str
) -> None:
    disk = FaultyDisk()
    async with opened(tmp_path / "data", clock, disk=disk) as store:
        await fill(store, clock)
        await store.holds.create(new_hold(clock), [1, 3])
        disk.failing = {step}
        with pytest.raises(CannotStoreNow, match="stays, because its held evidence"):
            await drop_day(store, FIRST)
        assert store.evidence.problem == "2026-11-25: the disk is full"
        assert await seqs(store) == [1, 2, 3, 4, 5]
        assert await is_kept(store, clock, 2)
        disk.failing = set()
        await drop_day(store, FIRST)
        assert store.evidence.problem == ""
        assert await seqs(store) == [1, 3, 5]
        assert await is_kept(store, clock, 1)


async def test_a_record_that_is_held_while_its_day_moves_is_kept(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_evidence, "_STEP_RECORDS", 1)
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        hold = (await store.holds.create(new_hold(clock), [1])).hold
        move_some = store.evidence._move_some_locked

        async def hold_another(day: object) -> bool:
            is_moved = await move_some(day)  # type: ignore[arg-type]
            await store.holds.add(hold.id, [3])
            return is_moved

        monkeypatch.setattr(store.evidence, "_move_some_locked", hold_another)
        await drop_day(store, FIRST)
        assert await seqs(store) == [1, 3, 5]
        assert await is_kept(store, clock, 3)


async def test_a_record_that_is_gone_cannot_be_held(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        added = await store.holds.create(new_hold(clock), [4, 77])
        assert (added.added, added.missing) == (1, (77,))
        assert await store.holds.seqs(added.hold.id) == (4,)
        with pytest.raises(BadParameter, match="none of these records"):
            await store.holds.create(new_hold(clock), [77, 78])
        with pytest.raises(NoSuchResource):
            await store.holds.add(2, [1])
        assert len(await store.holds.newest()) == 1


async def test_holds_have_limits(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "MAX_RECORDS_PER_HOLD", 2)
    monkeypatch.setattr(holds, "MAX_HELD_RECORDS", 3)
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        with pytest.raises(BadParameter, match="a hold has at most 2 records"):
            await store.holds.create(new_hold(clock), [1, 2, 3])
        hold = (await store.holds.create(new_hold(clock), [1, 2])).hold
        # Records that are gone, or held already, need no room.
        assert (await store.holds.add(hold.id, [1, 2, 77, 78])).missing == (77, 78)
        with pytest.raises(BadParameter, match="a hold has at most 2 records"):
            await store.holds.add(hold.id, [1, 3])
        with pytest.raises(BadParameter, match="all holds together have at most 3 records"):
            await store.holds.create(new_hold(clock), [3, 4])
        changed = await store.holds.change(hold.id, "court", clock.ms)
        assert (changed.reason, changed.until) == ("court", clock.ms)
        await store.holds.end(hold.id, "ann", clock.ms)
        with pytest.raises(BadParameter, match="has ended"):
            await store.holds.change(hold.id, "court", None)
        with pytest.raises(BadParameter, match="has ended"):
            await store.holds.add(hold.id, [1])


async def test_records_are_held_and_released_in_short_writes(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "_STEP_RECORDS", 1)
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        added = await store.holds.create(new_hold(clock), [1, 2, 77, 3])
        assert (added.added, added.missing, added.hold.records) == (3, (77,), 3)
        with monkeypatch.context() as patch:
            patch.setattr(holds, "_release_some", lambda *values: False)
            await store.holds.end(added.hold.id, "ann", clock.ms)
        # As if the hub had ended here.
        assert len(await store.holds.seqs(added.hold.id)) == 3
        await store.holds.finish_ends()
        assert await store.holds.seqs(added.hold.id) == ()


async def test_records_are_counted_without_writing(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write waits for a commit, and lets others wait for it."""
    monkeypatch.setattr(holds, "_STEP_RECORDS", 1)
    async with opened(tmp_path / "data", clock) as store:
        await fill(store, clock)
        write, written = store.holds._writer.write, 0

        async def counted(job: Job[object]) -> object:
            nonlocal written
            written += 1
            return await write(job)

        monkeypatch.setattr(store.holds._writer, "write", counted)
        hold = (await store.holds.create(new_hold(clock), [1, 2])).hold
        assert written == 3  # the hold, and each record
        await store.holds.add(hold.id, [2, 3])
        assert written == 6
        monkeypatch.setattr(holds, "MAX_RECORDS_PER_HOLD", 3)
        with pytest.raises(BadParameter):
            await store.holds.add(hold.id, [1, 2, 3, 4])
        assert written == 7


async def test_a_foreign_file_among_the_held_evidence_is_left_alone(
    tmp_path: Path, clock: FrozenClock
) -> None:
    """An older copy of the database knows nothing of a pack that was written after it."""
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await fill(store, clock)
        foreign = data / "media" / "held" / f"{FIRST}-1.pack"
        foreign.write_bytes(b"pictures")
        await store.holds.create(new_hold(clock), [1])
        await drop_day(store, FIRST)
        assert await is_kept(store, clock, 1)
    assert foreign.read_bytes() == b"pictures"


@pytest.mark.expects_error("is damaged: it has 0 of")
async def test_a_missing_pack_of_held_evidence_is_reported_at_the_start(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await fill(store, clock)
        await store.holds.create(new_hold(clock), [1])
        await drop_day(store, FIRST)
    (data / "media" / "held" / f"{FIRST}-1.pack").unlink()
    async with opened(data, clock) as store:
        assert f"{FIRST}-1.pack is damaged" in store.health.lost
