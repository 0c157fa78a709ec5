"""The first records of a day, whose pack is new."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import trio

from hub.store.media.day_index import DayIndex, PackDay
from tests.support.clock import FrozenClock
from tests.support.stores import batch, opened

DAY = 86_400


async def test_a_record_is_never_read_without_its_pictures(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even by who reads between its commit and what the writer notes after it."""
    noting, may_note = threading.Event(), threading.Event()
    put = DayIndex.put

    def put_late(self: DayIndex, day: PackDay) -> None:
        noting.set()
        assert may_note.wait(60)
        put(self, day)

    async with opened(tmp_path, clock) as store, trio.open_nursery() as nursery:
        await store.records.append(batch(clock, 1))
        clock.advance(DAY)
        monkeypatch.setattr(DayIndex, "put", put_late)
        nursery.start_soon(store.records.append, batch(clock, 2))
        await trio.to_thread.run_sync(noting.wait)
        try:
            record = await store.records.get(2)
            assert record is not None
            assert [image.name for image in record.images] == ["face", "body", "background"]
            assert await store.pictures.read(2, "face") is not None
        finally:
            may_note.set()
