"""Packs that were cut short or deleted: told until the bytes are back, or a person takes note."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.config import Config
from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.database import check_database
from hub.store.health import StoreHealth
from hub.store.media.lost_parts import LOST, LostPart, find_lost
from hub.store.offline.pack_inspection import check_packs
from tests.support.clock import FrozenClock
from tests.support.stores import batch, drop_day, is_whole, opened, upload

DAY = "2026-11-25"
PACK = f"media/{DAY}.pack"
told = pytest.mark.expects_error("it lost its bytes|was deleted")


async def cut(path: Path, clock: FrozenClock) -> bytes:
    """Store two records, and cut their pack in the middle; return the pack as it was."""
    async with opened(path, clock) as store:
        for seed in (1, 2):
            await store.records.append(batch(clock, seed))
    whole = (path / PACK).read_bytes()
    (path / PACK).write_bytes(whole[: len(whole) // 2])
    return whole


def doctors_codes(path: Path, clock: FrozenClock) -> list[str]:
    return [one.code for one in check_database(CheckContext(path, Config(), clock))]


@told
async def test_what_was_cut_off_is_told_at_each_start_though_more_was_appended(
    tmp_path: Path, clock: FrozenClock
) -> None:
    whole = await cut(tmp_path, clock)
    assert doctors_codes(tmp_path, clock) == ["pictures-lost"]
    text = f"{DAY}.pack is damaged: it lost its bytes from {len(whole) // 2} to {len(whole)}"
    for seed in (3, 4, 5):
        async with opened(tmp_path, clock) as store:
            assert store.health.lost == text
            await store.records.append(batch(clock, seed))
            assert await is_whole(store, seed, upload(clock, seed=seed))
            # A picture that is lost does not add to it.
            assert await store.pictures.read(2, "background") is None
            assert store.health.lost == text
        assert doctors_codes(tmp_path, clock) == ["pictures-lost"]


@told
async def test_it_is_settled_when_the_bytes_are_back(tmp_path: Path, clock: FrozenClock) -> None:
    whole = await cut(tmp_path, clock)
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 3))
    data = (tmp_path / PACK).read_bytes()
    (tmp_path / PACK).write_bytes(whole + data[len(whole) :])
    assert doctors_codes(tmp_path, clock) == ["database-ok"]
    async with opened(tmp_path, clock) as store:
        assert store.health == StoreHealth()
        assert store.settings.get(LOST) is None
        for seed in (1, 2, 3):
            assert await is_whole(store, seed, upload(clock, seed=seed))


@told
async def test_it_is_settled_when_a_person_takes_note(tmp_path: Path, clock: FrozenClock) -> None:
    whole = await cut(tmp_path, clock)
    async with opened(tmp_path, clock) as store:
        await store.accept_lost()
        assert store.health == StoreHealth()
        await store.records.append(batch(clock, 3))
    for _ in range(2):
        async with opened(tmp_path, clock) as store:
            assert store.health == StoreHealth()
            assert await store.pictures.read(2, "background") is None
            assert store.health == StoreHealth()
    assert doctors_codes(tmp_path, clock) == ["database-ok"]
    assert check_packs(tmp_path, lambda part: None).bad == 0
    # What is lost later is told again.
    (tmp_path / PACK).write_bytes(whole[:100])
    async with opened(tmp_path, clock) as store:
        assert "lost its bytes from 100 to" in store.health.lost


@told
async def test_a_pack_that_was_deleted_is_settled_in_the_same_way(
    tmp_path: Path, clock: FrozenClock
) -> None:
    await cut(tmp_path, clock)
    (tmp_path / PACK).unlink()
    async with opened(tmp_path, clock) as store:
        assert store.health.lost == f"the pictures of {DAY} are missing: {DAY}.pack was deleted"
        await store.accept_lost()
        assert store.health == StoreHealth()


@told
async def test_what_went_with_its_day_is_not_told_any_more(
    tmp_path: Path, clock: FrozenClock
) -> None:
    await cut(tmp_path, clock)
    async with opened(tmp_path, clock) as store:
        clock.advance(86_400)
        await store.records.append(batch(clock, 3))
        await drop_day(store, DAY)
    async with opened(tmp_path, clock) as store:
        assert store.health == StoreHealth()


def test_a_part_grows_if_the_pack_is_cut_shorter(tmp_path: Path) -> None:
    pack = tmp_path / f"{DAY}.pack"
    pack.write_bytes(b"x" * 100)
    known = [LostPart(DAY, 200, 300, is_accepted=True)]
    assert find_lost(tmp_path, {DAY: 400}, known) == (LostPart(DAY, 100, 400),)
    assert find_lost(tmp_path, {DAY: 300}, known) == tuple(known)
    pack.write_bytes(b"x" * 200 + bytes(100) + b"x" * 100)
    assert find_lost(tmp_path, {DAY: 400}, known) == tuple(known)
    pack.write_bytes(bytes(250) + b"x" * 150)
    assert find_lost(tmp_path, {DAY: 400}, ()) == (LostPart(DAY, 0, 250),)
