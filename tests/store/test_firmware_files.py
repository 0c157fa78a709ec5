"""Firmware files on disk are received as a whole or not at all."""

from __future__ import annotations

import hashlib
import os
import random
import sys
from pathlib import Path

import pytest
import trio

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource, TooLarge, TooManyRequests
from hub.store import firmware_files
from hub.store.db import Store
from hub.store.firmware_files import STAGED
from hub.store.health import StoreHealth
from hub.store.tables.firmware import StoredFile
from tests.support.clock import FrozenClock
from tests.support.stores import FaultyDisk, opened

DATA = random.Random(0).randbytes(2_500_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
STAGED_NAME = "0123456789abcdef" * 2


async def received(store: Store, data: bytes = DATA, chunk: int = 700_000) -> StoredFile:
    async with store.firmware_files.receive() as receiving:
        for start in range(0, len(data), chunk):
            await receiving.write(data[start : start + chunk])
        found = await receiving.finish(7)
        await store.firmware_files.keep(receiving.path, found)
    await store.firmware.add_file(found)
    return found


def names(data: Path) -> set[str]:
    return {path.name for path in (data / "firmware").iterdir()} - {STAGED}


def stage(data: Path, content: bytes = DATA) -> Path:
    path = data / "firmware" / STAGED / STAGED_NAME
    path.write_bytes(content)
    return path


async def test_a_file_is_hashed_while_received_and_read_in_pieces(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        found = await received(store)
        assert found == StoredFile(SHA256, hashlib.md5(DATA).hexdigest(), len(DATA), 7)
        assert names(tmp_path) == {SHA256}
        files = store.firmware_files
        assert await files.read(SHA256, 100, 50) == DATA[100:150]
        assert await files.read(SHA256, len(DATA) - 5, 50) == DATA[-5:]


async def test_an_unfinished_file_leaves_nothing_behind(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path, clock) as store:
        async with store.firmware_files.receive() as receiving:
            await receiving.write(DATA)
            assert len(names(tmp_path)) == 1
        assert names(tmp_path) == set()
        with trio.CancelScope() as scope:
            async with store.firmware_files.receive() as receiving:
                await receiving.write(DATA)
                scope.cancel()
                await trio.lowlevel.checkpoint()
        assert names(tmp_path) == set()


@pytest.mark.parametrize("step", ["open", "write", "part", "flush", "directory"])
async def test_a_full_disk_refuses_a_file_and_removes_its_beginning(
    tmp_path: Path, clock: FrozenClock, step: str
) -> None:
    disk = FaultyDisk()
    async with opened(tmp_path, clock, disk=disk) as store:
        disk.failing = {step}
        with pytest.raises(CannotStoreNow, match="the disk is full"):
            await received(store)
        disk.failing = set()
        assert store.health.can_store
        assert store.firmware.files() == ()
        assert names(tmp_path) == set()
        assert (await received(store)).sha256 == SHA256


async def test_the_number_of_files_received_at_once_is_limited(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        files = store.firmware_files
        async with files.receive(), files.receive(), files.receive(), files.receive():
            with pytest.raises(TooManyRequests):
                await received(store)
        await received(store)


async def test_too_large_and_empty_files_are_refused(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware_files, "MAX_FILE_BYTES", 1_000_000)
    async with opened(tmp_path, clock) as store:
        with pytest.raises(TooLarge):
            await received(store)
        with pytest.raises(BadParameter, match="empty"):
            await received(store, b"")
        assert names(tmp_path) == set()


async def test_leftovers_of_a_crash_are_removed_at_the_start(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        await received(store)
    folder = tmp_path / "firmware"
    (folder / "0011.part").write_bytes(b"half")
    (folder / ("0" * 64)).write_bytes(b"renamed, and no row")
    old, young = stage(tmp_path), folder / STAGED / ("f" * 32)
    young.write_bytes(b"just laid down")
    os.utime(old, (clock() - 7200, clock() - 7200))
    os.utime(young, (clock() - 10, clock() - 10))
    async with opened(tmp_path, clock) as store:
        assert names(tmp_path) == {SHA256}
        assert not old.exists()
        assert young.exists()
        assert [file.sha256 for file in store.firmware.files()] == [SHA256]


@pytest.mark.expects_error("the store is damaged: the firmware file")
async def test_a_missing_or_truncated_file_is_reported_and_repaired_by_the_same_file(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        await received(store)
    (tmp_path / "firmware" / SHA256).write_bytes(b"short")
    async with opened(tmp_path, clock) as store:
        assert "is damaged: 5 of 2500000 bytes" in store.health.damaged
        await received(store)
    async with opened(tmp_path, clock) as store:
        assert store.health == StoreHealth()


async def test_a_staged_file_is_moved_not_copied(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path, clock) as store:
        path = stage(tmp_path)
        found = await store.firmware_files.digest_staged(STAGED_NAME, 7)
        assert found.sha256 == SHA256
        await store.firmware_files.keep(path, found)
        assert not path.exists()
        # Again: the kept file stays, and the staged one is removed.
        path = stage(tmp_path)
        await store.firmware_files.keep(path, found)
        assert not path.exists()
        assert names(tmp_path) == {SHA256}


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted there")
async def test_a_staged_file_that_is_removed_while_it_is_read_is_not_kept(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C on the command line removes the staged file."""
    update = firmware_files._Digest.update

    def take_back(digest: firmware_files._Digest, data: bytes) -> None:
        staged.unlink(missing_ok=True)
        update(digest, data)

    monkeypatch.setattr(firmware_files._Digest, "update", take_back)
    async with opened(tmp_path, clock) as store:
        staged = stage(tmp_path)
        found = await store.firmware_files.digest_staged(STAGED_NAME, 7)
        with pytest.raises(CannotStoreNow):
            await store.firmware_files.keep(staged, found)
        assert names(tmp_path) == set()


async def test_the_name_of_a_staged_file_cannot_be_a_path(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        for name in ("../../hub.key", "", "/etc/passwd", "0" * 31, "0" * 33):
            with pytest.raises(BadParameter):
                await store.firmware_files.digest_staged(name, 0)
        with pytest.raises(NoSuchResource, match="try again"):
            await store.firmware_files.digest_staged(STAGED_NAME, 0)
