"""Samples of the record log."""

from __future__ import annotations

from hub.store.records.record_samples import (
    KindSample,
    RecordTimes,
    cached_bytes,
    newest_times,
    sample_day,
)
from hub.store.tables.device_pictures import stored_picture
from hub.store.tables.devices import NewDevice
from tests.support.clock import FrozenClock
from tests.support.memory_store import MemoryStore
from tests.support.stores import batch


async def test_the_times_of_the_newest_records_come_first(clock: FrozenClock) -> None:
    store = MemoryStore(clock)
    for seed in range(3):
        await store.records.append(batch(clock, seed, did="7"))
    times = await store.read(lambda c: newest_times(c, 1, 10))
    assert len(times) == 2
    assert isinstance(times[0], RecordTimes)
    assert (times[0].did, times[0].received_at) == ("7", clock.ms)
    assert len(await store.read(lambda c: newest_times(c, 0, 2))) == 2


async def test_a_day_is_sampled_by_kind(clock: FrozenClock) -> None:
    store = MemoryStore(clock)
    await store.records.append(batch(clock, 1, kind="face", pictures=2, size=1000))
    await store.records.append(batch(clock, 2, kind="event", pictures=0))
    clock.advance(86_400)
    await store.records.append(batch(clock, 3, kind="face", pictures=1, size=500))
    first, second = store.retention.days()
    found = await store.read(lambda c: sample_day(c, first.day, first.first_seq, first.last_seq))
    assert found == {"face": KindSample(1, 2000), "event": KindSample(1, 0)}
    found = await store.read(lambda c: sample_day(c, second.day, second.first_seq, second.last_seq))
    assert found == {"face": KindSample(1, 500)}


async def test_a_long_day_is_sampled_at_many_places(clock: FrozenClock) -> None:
    store = MemoryStore(clock)
    for seed in range(1200):
        await store.records.append(batch(clock, seed, kind="face", pictures=1, size=100))
    found = await store.read(lambda c: sample_day(c, "2026-11-25", 1, 1200))
    assert found == {"face": KindSample(500, 50_000)}


async def test_pictures_read_from_devices_are_counted(clock: FrozenClock) -> None:
    store = MemoryStore(clock)
    assert await store.read(cached_bytes) == 0
    await store.devices.add([NewDevice(sn="SN1", code="CODE0001", did="1", name="Gate")])
    await store.device_pictures.put("1", "SN1", "/1.jpg", stored_picture("image/jpeg", b"12345"), 0)
    assert await store.read(cached_bytes) == 5
