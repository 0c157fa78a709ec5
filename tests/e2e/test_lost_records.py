"""Nothing acknowledged is lost by a failing flush, nor by files put back that do not fit.

From outside: real processes, their files exchanged while they do not run, and flushes that fail.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.e2e.camera import Camera
from tests.e2e.conftest import MakeHub
from tests.e2e.faulty_disk import FLUSH, FaultyDisk
from tests.e2e.load import UploadLoad, read_all
from tests.e2e.power_failure import read_record
from tests.e2e.seeds import SEEDS
from tests.e2e.site import (
    SHM,
    WAL,
    Site,
    check_whole,
    copy_database_alone,
    copy_while_stopped,
    copy_with_wal,
    put_back,
)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("failures", [1, 3])
async def test_a_commit_whose_flush_failed_brings_no_record_without_its_pictures_back(
    make_hub: MakeHub, camera: Camera, faulty_disk: FaultyDisk, failures: int, seed: int
) -> None:
    site = Site(make_hub(environment=faulty_disk.environment), camera, seed)
    await site.upload(site.rng.randint(1, 8))
    error = site.rng.choice((errno.EIO, errno.ENOSPC))
    faulty_disk.fail(FLUSH, WAL, error, times=failures)
    while faulty_disk.hits < failures:
        await site.upload(1)
    assert site.refused
    site.hub.kill()  # before the next commit
    faulty_disk.work()
    site.hub.start()
    await site.check()
    await site.retry()
    await site.upload(2)
    await site.check()
    assert site.hub.stop() == 0
    site.hub.start()
    await site.check()


@pytest.mark.parametrize("seed", SEEDS)
async def test_storing_goes_on_after_failed_flushes_and_nothing_is_called_damaged(
    make_hub: MakeHub, camera: Camera, faulty_disk: FaultyDisk, seed: int
) -> None:
    site = Site(make_hub(environment=faulty_disk.environment), camera, seed)
    for path in (WAL, ".pack", WAL):
        await site.upload(site.rng.randint(1, 4))
        faulty_disk.fail(FLUSH, path, times=site.rng.randint(1, 3))
        while not faulty_disk.hits:
            await site.upload(1)
        faulty_disk.work()
        await site.retry()
    await site.check()
    site.hub.kill()
    site.hub.start()
    await site.check()


@pytest.mark.parametrize("copy", [copy_while_stopped, copy_database_alone, copy_with_wal])
async def test_an_older_database_beside_newer_packs_stops_the_start_and_deletes_nothing(
    make_hub: MakeHub, camera: Camera, tmp_path: Path, copy: Callable[[Site, Path], None]
) -> None:
    site = Site(make_hub(), camera, 1)
    await site.upload(10)
    copy(site, tmp_path / "copy")
    await site.upload(10)
    assert site.hub.stop() == 0
    shutil.copytree(site.data, tmp_path / "newest")
    put_back(tmp_path / "copy", site.data)
    for _ in range(2):
        assert "sitehub doctor --rebuild" in site.fails_to_start()
    put_back(tmp_path / "newest", site.data)
    site.hub.start()
    await site.check()


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_lost_wal_stops_the_start_and_deletes_nothing(
    make_hub: MakeHub, camera: Camera, tmp_path: Path, seed: int
) -> None:
    site = Site(make_hub(), camera, seed)
    await site.upload(site.rng.randint(10, 30))
    site.hub.kill()
    shutil.move(site.data / WAL, tmp_path / "wal")
    (site.data / SHM).unlink(missing_ok=True)
    assert "sitehub doctor --rebuild" in site.fails_to_start()
    shutil.move(tmp_path / "wal", site.data / WAL)
    site.hub.start()
    await site.check()


@pytest.mark.parametrize("where", ["header", "upload", "end"])
async def test_a_damaged_wal_is_told_and_its_records_come_from_the_packs(
    make_hub: MakeHub, camera: Camera, where: str
) -> None:
    """Also if it is the very last change that the bad byte took, or the whole log."""
    site = Site(make_hub(), camera, 1)
    await site.upload(3)
    if where == "header":
        # What is lost is what came after the last start.
        assert site.hub.stop() == 0
        site.hub.start()
    start = (site.data / WAL).stat().st_size
    await site.upload(1)
    if where != "end":
        site.hub.add_api_key()
    site.hub.kill()
    wal = bytearray((site.data / WAL).read_bytes())
    wal[{"header": 0, "upload": start + 1000, "end": len(wal) - 1000}[where]] ^= 0x55
    (site.data / WAL).write_bytes(wal)
    site.hub.start()
    records = {record["uuid"] for record in await site.records()}
    assert records == {capture.uuid for capture in site.acknowledged}
    async with site.hub.client() as client:
        (told,) = (await client.get("/healthz")).json()["degraded"]
    assert told.startswith("The database lost changes")
    assert "FAILED   database     The database lost changes" in site.hub.cli(
        "doctor", "--quick", check=False
    )
    assert "The database lost changes" in site.hub.cli("doctor", "--accept-lost")
    async with site.hub.client() as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_an_empty_database_beside_packs_stops_the_start(
    make_hub: MakeHub, camera: Camera
) -> None:
    site = Site(make_hub(), camera, 1)
    await site.upload(5)
    assert site.hub.stop() == 0
    (site.data / "hub.sqlite").write_bytes(b"")
    assert "hub.sqlite" in site.fails_to_start()


@pytest.mark.parametrize("is_own", [True, False], ids=["an older one", "another hub's"])
async def test_a_foreign_wal_deletes_nothing(
    make_hub: MakeHub, camera: Camera, tmp_path: Path, is_own: bool
) -> None:
    site = Site(make_hub(), camera, 1)
    await site.upload(3)
    if is_own:
        shutil.copy(site.data / WAL, tmp_path / "wal")
        assert site.hub.stop() == 0
        site.hub.start()
    else:
        other = Site(make_hub(data_dir=tmp_path / "other"), camera, 2)
        await other.upload(3)
        other.hub.kill()
        shutil.copy(other.data / WAL, tmp_path / "wal")
    await site.upload(5)
    site.hub.kill()
    shutil.copy(tmp_path / "wal", site.data / WAL)
    (site.data / SHM).unlink(missing_ok=True)
    site.fails_to_start()


async def test_a_clean_end_leaves_no_wal(make_hub: MakeHub, camera: Camera) -> None:
    site = Site(make_hub(), camera, 1)
    await site.upload(5)
    assert site.hub.stop() == 0
    assert not (site.data / WAL).exists()
    assert not (site.data / SHM).exists()
    connection = sqlite3.connect(f"file:{site.data / 'hub.sqlite'}?mode=ro&immutable=1", uri=True)
    assert connection.execute("SELECT count(*) FROM record").fetchone() == (5,)
    connection.close()


async def test_a_pack_deleted_under_a_running_hub_takes_only_its_own_pictures_with_it(
    make_hub: MakeHub, camera: Camera
) -> None:
    site = Site(make_hub(), camera, 1)
    await site.upload(5)
    before, site.acknowledged = site.acknowledged, []
    for pack in (site.data / "media").glob("*.pack"):
        pack.unlink()
    await site.upload(5)
    await site.retry()
    site.hub.kill()
    site.start_degraded()
    async with site.hub.client(headers=site.headers) as client:
        records = {record["uuid"]: record for record in await read_all(client)}
        assert set(records) == {capture.uuid for capture in (*before, *site.acknowledged)}
        for capture in site.acknowledged:
            await check_whole(client, records[capture.uuid], capture)


async def test_a_missing_pack_is_reported_until_somebody_settles_it(
    make_hub: MakeHub, camera: Camera
) -> None:
    site = Site(make_hub(), camera, 1)
    await site.upload(5)
    assert site.hub.stop() == 0
    for pack in (site.data / "media").glob("*.pack"):
        pack.unlink()
    for _ in range(2):
        site.start_degraded()
        await site.upload(1)
        assert site.hub.stop() == 0


async def test_one_thread_writes_and_checkpoints_the_database(
    make_hub: MakeHub, camera: Camera, faulty_disk: FaultyDisk, tmp_path: Path
) -> None:
    hub = make_hub(environment=faulty_disk.environment).start()
    did = camera.enrol(hub)
    assert hub.stop() == 0
    record = tmp_path / "record"
    hub.environment |= {"DISK_ROOT": str(hub.data_dir), "DISK_RECORD": str(record)}
    hub.start()
    started = record.stat().st_size
    async with camera.connect(hub.device_url, hub.trust(), did) as (_, token):
        with UploadLoad(hub, token) as load:
            await trio.to_thread.run_sync(load.wait_acknowledged, 600)
    files = {(hub.data_dir / name).stat().st_ino: name for name in ("hub.sqlite", "hub.sqlite-wal")}
    written = [entry for entry in read_record(record) if entry.end > started and entry.data]
    names = {files[entry.inode] for entry in written if entry.inode in files}
    assert names == {"hub.sqlite", "hub.sqlite-wal"}, "there was no checkpoint"
    assert len({entry.thread for entry in written if entry.inode in files}) == 1
