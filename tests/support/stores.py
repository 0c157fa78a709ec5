"""A store in a directory of the test, uploads for it, and disks that fail on demand."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio
import xxhash

from hub.store.commit.record_batch import RecordBatch
from hub.store.db import Store
from hub.store.disk import Buffer, Disk
from hub.store.opening import open_store
from hub.wire.pictures import Picture
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import Detail, FaceDetail, Record, RecordKind
from tests.support.clock import FrozenClock

_NAMES: dict[RecordKind, tuple[str, ...]] = {
    "face": ("face", "body", "background"),
    "event": ("face", "body", "background"),
    "vehicle": ("full", "vehicle", "plate"),
    "access": ("face",),
}


@asynccontextmanager
async def opened(
    path: Path,
    clock: FrozenClock,
    *,
    on_records: Callable[[Sequence[Record]], None] = lambda records: None,
    disk: Disk | None = None,
) -> AsyncIterator[Store]:
    """Open a store; `on_records` and `disk` are passed to `open_store`."""
    async with open_store(path, now=clock, on_records=on_records, disk=disk) as store:
        yield store


async def drop_day(store: Store, day: str) -> None:
    """Drop a day, and wait until its rows are removed too."""
    await store.retention.forget_day(day)
    await store.retention.finish_drops()


class BlockingJob:
    """A job that blocks its thread until `open` is called."""

    def __init__(self) -> None:
        self.entered = trio.Event()
        self._leave = threading.Event()
        self._token = trio.lowlevel.current_trio_token()

    def __call__(self, connection: sqlite3.Connection) -> None:
        self._token.run_sync_soon(self.entered.set)
        assert self._leave.wait(60)

    def open(self) -> None:
        self._leave.set()


def picture(name: str, seed: int = 0, size: int = 1500) -> Picture:
    return Picture(name, "image/jpeg", random.Random(f"{name}{seed}").randbytes(size))


def upload(
    clock: FrozenClock,
    *,
    kind: RecordKind = "face",
    detail: Detail | None = None,
    pictures: int = 3,
    seed: int = 0,
    size: int = 1500,
    **fields: Any,
) -> CheckedUpload:
    """A checked upload whose pictures differ by `seed`."""
    given: dict[str, Any] = {
        "occurred_at": clock.ms,
        "extra": msgspec.Raw(b'{"score":12}'),
        **fields,
    }
    names = _NAMES.get(kind, ())[:pictures]
    return CheckedUpload(
        kind=kind,
        detail=detail or FaceDetail(name="Li Wei", age=30, uuid="p1", category=1),
        pictures=tuple(picture(name, seed, size) for name in names),
        **given,
    )


def batch_of(
    clock: FrozenClock,
    uploads: Sequence[CheckedUpload],
    *,
    seed: int = 0,
    did: str = "7",
    device_name: str = "Gate",
    follows_access: bool = False,
) -> RecordBatch:
    """A batch of one device, whose digest differs by `seed`."""
    return RecordBatch(
        uploads,
        did=did,
        sn=f"SN{did}",
        device_name=device_name,
        digest=digest(seed),
        arrived_at=clock.ms,
        follows_access=follows_access,
    )


def batch(
    clock: FrozenClock,
    seed: int = 0,
    *,
    did: str = "7",
    device_name: str = "Gate",
    follows_access: bool = False,
    **fields: Any,
) -> RecordBatch:
    """A batch of one upload; see `upload` for its fields."""
    return batch_of(
        clock,
        [upload(clock, seed=seed, **fields)],
        seed=seed,
        did=did,
        device_name=device_name,
        follows_access=follows_access,
    )


def digest(seed: int) -> bytes:
    return xxhash.xxh3_128_digest(str(seed).encode())


async def is_whole(store: Store, seq: int, sent: CheckedUpload) -> bool:
    """Whether a record is stored with its pictures, byte for byte."""
    stored = await store.records.get(seq)
    if stored is None or len(stored.images) != len(sent.pictures):
        return False
    for one in sent.pictures:
        read = await store.pictures.read(seq, one.name)
        if read is None or read.data != one.data or read.mime != one.mime:
            return False
    return stored.detail == sent.detail and bytes(stored.extra) == bytes(sent.extra)


def pack_size(path: Path) -> int:
    return sum(pack.stat().st_size for pack in (path / "media").glob("*.pack"))


def copy_as_left(path: Path, target: Path) -> Path:
    """Copy the directory as a power failure at this moment would leave it."""
    shutil.copytree(path, target, ignore=shutil.ignore_patterns("*-shm"))
    return target


class FaultyDisk(Disk):
    """Fails at the steps in `failing`: open, write, part, flush, cut, directory."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.flushed_directories: list[str] = []
        self.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _perhaps_fail(self, step: str) -> None:
        if step in self.failing:
            raise self.error

    def open(self, path: Path) -> int:
        self._perhaps_fail("open")
        return super().open(path)

    def write_some(self, file: int, buffers: Sequence[Buffer], offset: int) -> int:
        self._perhaps_fail("write")
        if "part" in self.failing:
            # A short write: the disk is full at the next one.
            self.failing = self.failing - {"part"} | {"write"}
            return super().write_some(file, [memoryview(buffers[0])[:20]], offset)
        return super().write_some(file, buffers, offset)

    def flush(self, file: int) -> None:
        self._perhaps_fail("flush")
        super().flush(file)

    def cut(self, file: int, size: int) -> None:
        self._perhaps_fail("cut")
        super().cut(file, size)

    def flush_directory(self, path: Path) -> None:
        self._perhaps_fail("directory")
        super().flush_directory(path)
        self.flushed_directories.append(path.name)


class WatchedDisk(Disk):
    """Calls `at(step)` at each step of writing to a pack."""

    def __init__(self, at: Callable[[str], None]) -> None:
        self.at = at

    def write(self, file: int, buffers: Sequence[Buffer], offset: int) -> None:
        self.at("before the pack is written")
        super().write(file, [memoryview(buffers[0])[:20]], offset)
        self.at("after a part of it")
        super().write(file, buffers, offset)

    def flush(self, file: int) -> None:
        self.at("before the flush")
        super().flush(file)
        self.at("after the flush")
