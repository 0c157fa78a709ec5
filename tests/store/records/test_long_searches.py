"""Searches that take long: in steps, on a reader of their own, with an end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hub.errors import TooManyRequests
from hub.store.db import Store
from hub.store.records import record_log, record_search
from hub.store.records.record_filter import RecordFilter
from hub.store.sqlite import readers
from hub.wire.uploads.records import Plate, Vehicle, VehicleDetail
from tests.support.clock import FrozenClock
from tests.support.stores import BlockingJob, batch, batch_of, opened, upload

COUNT = 40
#: It is tested row by row, since no index has it.
WITHOUT_PICTURES = RecordFilter(has_pictures=False)
WITH_PICTURES = RecordFilter(has_pictures=True)


@pytest.fixture
async def store(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """A store whose every search takes long: a step searches only two records."""
    monkeypatch.setattr(record_search, "_WINDOW", 2)
    monkeypatch.setattr(record_log, "_QUICK_SECONDS", 0.0)
    monkeypatch.setattr(record_log, "_STEP_SECONDS", 0.0)
    async with opened(tmp_path / "data", clock) as store:
        entries = tuple(upload(clock, pictures=0) for _ in range(COUNT))
        await store.records.append(batch_of(clock, entries))
        yield store


async def test_a_long_search_finds_everything_step_by_step(store: Store) -> None:
    page = await store.records.page(WITHOUT_PICTURES)
    assert [one.seq for one in page.items] == list(range(1, COUNT + 1))
    assert (page.next, page.is_complete) == (None, True)


async def test_others_do_not_wait_for_a_long_search(store: Store) -> None:
    long = BlockingJob()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.records._searchers.read, long)
        await long.entered.wait()
        with trio.fail_after(5):
            page = await store.records.page(RecordFilter(), newest_first=True, limit=1)
        assert [one.seq for one in page.items] == [COUNT]
        long.open()


async def test_a_search_that_finds_no_reader_in_time_tells_what_it_has(store: Store) -> None:
    long = BlockingJob()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.records._searchers.read, long)
        await long.entered.wait()
        page = await store.records.page(WITHOUT_PICTURES, seconds=0.01)
        assert ([one.seq for one in page.items], page.next) == ([1, 2], 2)
        assert not page.is_complete
        long.open()
    rest = await store.records.page(WITHOUT_PICTURES, after=page.next)
    assert [one.seq for one in rest.items] == list(range(3, COUNT + 1))


async def test_a_search_that_ran_out_of_time_goes_on_where_it_ended(store: Store) -> None:
    page = await store.records.page(WITH_PICTURES, newest_first=True, seconds=0.0)
    assert (page.items, page.next, page.is_complete) == ((), COUNT - 1, False)
    page = await store.records.page(WITH_PICTURES, newest_first=True, before=page.next)
    assert (page.items, page.next, page.is_complete) == ((), None, True)


async def test_a_search_for_a_part_waits_for_its_reader_as_long_as_others_do(
    store: Store, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has nothing to tell before its first step."""
    plate = VehicleDetail(Plate(id="A1", type=1), Vehicle(type=1))
    await store.records.append(batch(clock, 9, kind="vehicle", detail=plate))
    monkeypatch.setattr(readers, "_WAIT_SECONDS", 0.0)
    long = BlockingJob()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.records._searchers.read, long)
        await long.entered.wait()
        with pytest.raises(TooManyRequests):
            await store.records.page(RecordFilter(plate="a"))
        long.open()
    found = await store.records.page(RecordFilter(plate="a"))
    assert [one.seq for one in found.items] == [COUNT + 1]
