"""What the store asks of the operating system, in each of its branches."""

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


class DiskThatWrites(Disk):
    """Takes at most `most` bytes a call."""

    def __init__(self, way: Callable[[int, Sequence[Buffer], int], int], most: int) -> None:
        self._way = way
        self._most = most

    def write_some(self, file: int, buffers: Sequence[Buffer], offset: int) -> int:
        some = [memoryview(buffers[0])[: self._most]] if self._most else buffers
        return self._way(file, some, offset)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("most", [0, 1, 7])
def test_all_buffers_are_written_however_few_bytes_a_call_takes(
    tmp_path: Path, way: Callable[[int, Sequence[Buffer], int], int], most: int
) -> None:
    disk = DiskThatWrites(way, most)
    path = tmp_path / "pack"
    file = disk.open(path)
    try:
        buffers = [b"%d," % n for n in range(2500)]  # more than one call takes
        disk.write(file, [b"head"], 0)
        disk.write(file, buffers, 4)
        disk.flush(file)
    finally:
        disk.close(file)
    assert path.read_bytes() == b"head" + b"".join(buffers)


@pytest.mark.parametrize("way", WAYS)
async def test_the_store_works_with_either_way_to_write(
    tmp_path: Path, clock: FrozenClock, way: Callable[[int, Sequence[Buffer], int], int]
) -> None:
    async with opened(tmp_path / "data", clock, disk=DiskThatWrites(way, 0)) as store:
        for seed in range(3):
            await store.records.append(batch(clock, seed))
        for seed in range(3):
            assert await is_whole(store, seed + 1, batch(clock, seed).uploads[0])


async def test_old_pictures_do_not_stay_in_memory_and_that_is_but_advice(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    advised: list[tuple[int, int]] = []

    class DeafDisk(Disk):
        def drop_cache(self, file: int, start: int, size: int) -> None:
            super().drop_cache(file, start, size)
            advised.append((start, size))
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(packs, "_CACHED_BYTES", 5_000)
    monkeypatch.setattr(packs, "_DROP_CACHE_BYTES", 5_000)
    async with opened(tmp_path / "data", clock, disk=DeafDisk()) as store:
        for seed in range(4):
            await store.records.append(batch(clock, seed))
        end = store.retention.days()[0].bytes
        assert store.health.storable
        assert await is_whole(store, 1, batch(clock, 0).uploads[0])
    assert advised[0][0] == 0
    assert sum(size for _, size in advised) in range(end - 10_000, end - 4_999)
