"""File operations of the store, in the branch of each operating system."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hub.store.disk import Buffer, Disk, write_first, write_gathered
from hub.store.media import packs
from tests.support.clock import FrozenClock
from tests.support.stores import batch, is_whole, opened

WAYS = [
    pytest.param(
        write_gathered,
        marks=pytest.mark.skipif(not hasattr(os, "pwritev"), reason="there is no gathered write"),
    ),
    write_first,
]


class LimitedDisk(Disk):
    """Writes at most `limit` bytes per call; 0: no limit."""

    def __init__(self, way: Callable[[int, Sequence[Buffer], int], int], limit: int) -> None:
        self._way = way
        self._limit = limit

    def write_some(self, file: int, buffers: Sequence[Buffer], offset: int) -> int:
        some = [memoryview(buffers[0])[: self._limit]] if self._limit else buffers
        return self._way(file, some, offset)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limit", [0, 1, 7])
def test_all_buffers_are_written_despite_short_writes(
    tmp_path: Path, way: Callable[[int, Sequence[Buffer], int], int], limit: int
) -> None:
    disk = LimitedDisk(way, limit)
    path = tmp_path / "pack"
    file = disk.open(path)
    try:
        buffers = [b"%d," % n for n in range(2500)]  # more than fit into one call
        disk.write(file, [b"head"], 0)
        disk.write(file, buffers, 4)
        disk.flush(file)
    finally:
        disk.close(file)
    assert path.read_bytes() == b"head" + b"".join(buffers)


@pytest.mark.parametrize("way", WAYS)
async def test_the_store_works_with_each_write_function(
    tmp_path: Path, clock: FrozenClock, way: Callable[[int, Sequence[Buffer], int], int]
) -> None:
    async with opened(tmp_path / "data", clock, disk=LimitedDisk(way, 0)) as store:
        for seed in range(3):
            await store.records.append(batch(clock, seed))
        for seed in range(3):
            assert await is_whole(store, seed + 1, batch(clock, seed).uploads[0])


async def test_old_pictures_are_dropped_from_the_page_cache_if_possible(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    advised: list[tuple[int, int]] = []

    class DiskWithoutAdvice(Disk):
        def drop_cache(self, file: int, start: int, size: int) -> None:
            super().drop_cache(file, start, size)
            advised.append((start, size))
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(packs, "_CACHED_BYTES", 5_000)
    monkeypatch.setattr(packs, "_DROP_CACHE_BYTES", 5_000)
    async with opened(tmp_path / "data", clock, disk=DiskWithoutAdvice()) as store:
        for seed in range(4):
            await store.records.append(batch(clock, seed))
        end = store.retention.days()[0].bytes
        assert store.health.can_store
        assert await is_whole(store, 1, batch(clock, 0).uploads[0])
    assert advised[0][0] == 0
    assert sum(size for _, size in advised) in range(end - 10_000, end - 4_999)
