"""The cache of pictures read from devices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import trio

from hub.errors import NoSuchResource
from hub.store.db import Store
from hub.store.tables.device_pictures import DevicePictureTable, stored_picture
from hub.store.tables.devices import DeviceChange, NewDevice
from tests.support.clock import FrozenClock
from tests.support.stores import opened


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path / "data", clock) as store:
        await store.devices.add([NewDevice(sn="S1", code="1"), NewDevice(sn="S2", code="1")])
        yield store


def small(store: Store, max_bytes: int) -> DevicePictureTable:
    """Return the same table with a smaller limit."""
    whole = store.device_pictures
    return DevicePictureTable(whole._engine, max_bytes=max_bytes)


async def put(pictures: DevicePictureTable, *paths: str, did: str = "1", size: int = 10) -> None:
    for path in paths:
        picture = stored_picture("image/jpeg", path[:1].encode() * size)
        await pictures.put(did, f"S{did}", path, picture, int(path[1:] or 0))


async def kept(store: Store) -> list[str]:
    rows = await store.read(
        lambda c: c.execute("SELECT did || path FROM device_picture ORDER BY did, path").fetchall()
    )
    return [row[0] for row in rows]


async def test_a_picture_is_kept_as_it_was_read(tmp_path: Path, clock: FrozenClock) -> None:
    picture = stored_picture("image/png", bytes(range(256)) * 100)
    async with opened(tmp_path / "data", clock) as store:
        await store.devices.add([NewDevice(sn="S1", code="1")])
        assert await store.device_pictures.get("1", "a.png") is None
        await store.device_pictures.put("1", "S1", "a.png", picture, 5)
    async with opened(tmp_path / "data", clock) as store:
        assert await store.device_pictures.get("1", "a.png") == picture
        assert await store.device_pictures.get("2", "a.png") is None
        assert picture.etag != stored_picture("image/png", b"another").etag


async def test_the_oldest_pictures_of_any_device_are_removed_for_new_ones(store: Store) -> None:
    pictures = small(store, 30)
    await put(pictures, "a", "b")
    await put(pictures, "c", did="2")
    await put(pictures, "d")
    assert await kept(store) == ["1b", "1d", "2c"]
    await put(pictures, "e", size=25)
    assert await kept(store) == ["1e"]


async def test_pictures_of_one_group_all_count(store: Store) -> None:
    pictures = small(store, 60)
    await put(pictures, "a")
    async with trio.open_nursery() as nursery:
        for path in "bcdef":
            nursery.start_soon(partial(put, pictures, path))
    await put(pictures, "g")
    assert await kept(store) == ["1b", "1c", "1d", "1e", "1f", "1g"]


async def test_a_picture_that_is_read_again_counts_once(store: Store) -> None:
    pictures = small(store, 30)
    await put(pictures, "a", "b", "b", "b", "c")
    assert await kept(store) == ["1a", "1b", "1c"]
    await put(pictures, "d")
    assert await kept(store) == ["1b", "1c", "1d"]


async def test_removing_a_device_frees_the_room_of_its_pictures(store: Store) -> None:
    pictures = store.device_pictures = small(store, 30)
    await put(pictures, "a", "b")
    await put(pictures, "c", did="2")
    await store.devices.remove("1")
    assert await kept(store) == ["2c"]
    await put(pictures, "d", "e", did="2")
    assert await kept(store) == ["2c", "2d", "2e"]
    with pytest.raises(NoSuchResource):
        await put(pictures, "f", did="1")


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_pictures_are_forgotten_on_request_or_with_the_camera(
    store: Store, is_replaced: bool
) -> None:
    pictures = store.device_pictures = small(store, 30)
    await put(pictures, "a", "b")
    await put(pictures, "c", did="2")
    if is_replaced:
        await store.devices.change("1", DeviceChange(sn="ANOTHER"))
        with pytest.raises(NoSuchResource):
            await put(pictures, "a")
    else:
        await pictures.forget("1")
    await put(pictures, "d", "e", did="2")
    assert await kept(store) == ["2c", "2d", "2e"]


async def test_pictures_are_removed_by_age(store: Store) -> None:
    pictures = small(store, 10_000)
    await put(pictures, *(f"x{at}" for at in range(1, 121)))
    await pictures.drop_older(118)
    assert await kept(store) == ["1x118", "1x119", "1x120"]
    await pictures.drop_older(118)
    assert len(await kept(store)) == 3


async def test_counting_the_bytes_reads_only_the_index(store: Store) -> None:
    plan = await store.read(
        lambda c: c.execute(
            "EXPLAIN QUERY PLAN SELECT coalesce(sum(size), 0) FROM device_picture"
        ).fetchall()
    )
    assert "COVERING INDEX device_picture_size" in str(plan)
