"""While nothing can be stored, writes are refused as a whole; the store recovers by itself."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from hub.errors import CannotStoreNow
from hub.store.commit import group_commit
from hub.store.commit.record_batch import RecordBatch
from hub.store.db import Store
from hub.store.health import describe
from tests.support.clock import FrozenClock
from tests.support.stores import FaultyDisk, batch, is_whole, opened, pack_size


async def refused(store: Store, clock: FrozenClock, seed: int) -> None:
    with pytest.raises(CannotStoreNow, match="the disk is full"):
        await store.records.append(batch(clock, seed))
    assert not store.health.can_store
    assert str(store.health.reason) == "the disk is full"


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
@pytest.mark.parametrize("step", ["write", "part", "flush"])
async def test_a_full_disk_at_each_step_of_a_pack_refuses_and_then_recovers(
    step: str, tmp_path: Path, clock: FrozenClock
) -> None:
    disk = FaultyDisk()
    data = tmp_path / "data"
    async with opened(data, clock, disk=disk) as store:
        await store.records.append(batch(clock, 1))
        end = pack_size(data)
        disk.failing = {step}
        await refused(store, clock, 2)
        assert pack_size(data) == end
        assert store.records.last_seq == 1
        assert store.retention.days()[0].records == 1
        disk.failing = set()
        assert (await store.records.append(batch(clock, 2))).seqs == (2,)
        assert store.health.can_store
        assert store.health.reason is None
        for seed in (1, 2):
            assert await is_whole(store, seed, batch(clock, seed).uploads[0])


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
@pytest.mark.parametrize("step", ["open", "directory"])
async def test_a_full_disk_at_the_start_of_a_day_refuses_and_then_recovers(
    step: str, tmp_path: Path, clock: FrozenClock
) -> None:
    disk = FaultyDisk()
    data = tmp_path / "data"
    async with opened(data, clock, disk=disk) as store:
        disk.failing = {step}
        await refused(store, clock, 1)
        disk.failing = set()
        disk.flushed_directories.clear()
        await store.records.append(batch(clock, 1))
        assert disk.flushed_directories == ["media"]
        await store.records.append(batch(clock, 2))
        assert disk.flushed_directories == ["media"]
    async with opened(data, clock) as store:
        assert await is_whole(store, 1, batch(clock, 1).uploads[0])


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
async def test_a_pack_that_cannot_be_truncated_is_overwritten(
    tmp_path: Path, clock: FrozenClock
) -> None:
    disk = FaultyDisk()
    data = tmp_path / "data"
    async with opened(data, clock, disk=disk) as store:
        await store.records.append(batch(clock, 1))
        end = pack_size(data)
        disk.failing = {"flush", "cut"}
        await refused(store, clock, 2)
        assert pack_size(data) > end
        disk.failing = set()
        await store.records.append(batch(clock, 3))
        assert pack_size(data) == store.retention.days()[0].bytes
        assert await is_whole(store, 2, batch(clock, 3).uploads[0])


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
async def test_a_full_database_refuses_truncates_the_pack_and_then_recovers(
    tmp_path: Path, clock: FrozenClock
) -> None:
    def limit(connection: sqlite3.Connection, pages: int | None = None) -> None:
        pages = pages or connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1))
        end = pack_size(data)
        await store.write(limit)

        def large() -> RecordBatch:
            return batch(clock, 2, device_name="x" * 100_000)

        with pytest.raises(CannotStoreNow, match="the disk is full"):
            await store.records.append(large())
        assert not store.health.can_store
        assert pack_size(data) == end
        assert store.records.last_seq == 1
        await store.write(lambda connection: limit(connection, 2**30))
        assert (await store.records.append(large())).seqs == (2,)
        assert store.health.can_store
        assert await is_whole(store, 2, large().uploads[0])


@pytest.mark.expects_error("nothing can be stored now")
async def test_a_refused_group_after_midnight_leaves_yesterdays_pack_alone(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        raise OSError(5, "Input/output error")

    async with opened(tmp_path / "data", clock) as store:
        await store.records.append(batch(clock, 1))
        clock.advance(86_400)
        with pytest.raises(CannotStoreNow):
            await store.write(fail)
        assert await is_whole(store, 1, batch(clock, 1).uploads[0])


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
async def test_writes_without_pictures_go_on_while_packs_cannot_be_written(
    tmp_path: Path, clock: FrozenClock
) -> None:
    disk = FaultyDisk()
    async with opened(tmp_path / "data", clock, disk=disk) as store:
        disk.failing = {"write"}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refused, store, clock, 1)
            nursery.start_soon(store.settings.set, "site.name", "North gate")
        assert store.settings.get("site.name") == "North gate"
        assert not store.health.can_store


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
async def test_an_upload_that_comes_twice_while_packs_cannot_be_written_is_refused_twice(
    tmp_path: Path, clock: FrozenClock
) -> None:
    disk = FaultyDisk()
    async with opened(tmp_path / "data", clock, disk=disk) as store:
        disk.failing = {"write"}
        busy = threading.Event()

        async def refused_somehow() -> None:
            with pytest.raises(CannotStoreNow):
                await store.records.append(batch(clock, 1))

        async with trio.open_nursery() as nursery:  # both in one group
            nursery.start_soon(store.write, lambda connection: busy.wait(10))
            for _ in range(2):
                nursery.start_soon(refused_somehow)
            await trio.testing.wait_all_tasks_blocked()
            busy.set()
        disk.failing = set()
        again = await store.records.append(batch(clock, 1))
        assert (again.seqs, again.repeated) == ((1,), False)


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
async def test_the_store_recovers_without_any_upload(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "_PROBE_SECONDS", 0.01)
    probed = trio.Event()

    class ProbedDisk(FaultyDisk):
        def cut(self, file: int, size: int) -> None:
            super().cut(file, size)
            trio.from_thread.run_sync(probed.set, trio_token=token)

    token = trio.lowlevel.current_trio_token()
    disk = ProbedDisk()
    data = tmp_path / "data"
    async with opened(data, clock, disk=disk) as store:
        await store.records.append(batch(clock, 1))
        end = pack_size(data)
        disk.failing = {"write"}
        await refused(store, clock, 2)
        disk.failing = set()
        with trio.fail_after(30):
            while not store.health.can_store:
                probed = trio.Event()
                await probed.wait()
                await store.write(lambda connection: None)  # after the probe's own commit
        assert pack_size(data) == end


@pytest.mark.expects_error("nothing can be stored now: the disk reports an input/output error")
async def test_a_disk_error_is_reported_with_its_reason(tmp_path: Path, clock: FrozenClock) -> None:
    disk = FaultyDisk()
    disk.error = OSError(5, "Input/output error")
    async with opened(tmp_path / "data", clock, disk=disk) as store:
        disk.failing = {"flush"}
        with pytest.raises(CannotStoreNow, match="input/output error") as refusal:
            await store.records.append(batch(clock, 1))
        assert refusal.value.retry_after > 0


def test_a_flush_that_found_no_room_is_called_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    assert str(describe(error, tmp_path)) == "the disk reports an input/output error"
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=4096))
    assert str(describe(error, tmp_path)) == "the disk is full"
