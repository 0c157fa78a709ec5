"""The record log: appending, reading in either order, filters."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from hub.store.commit.record_batch import RecordBatch
from hub.store.db import Store
from hub.store.records.record_filter import RecordFilter
from hub.store.tables.devices import DeviceChange, NewDevice
from hub.wire.uploads.records import (
    AccessDetail,
    EventDetail,
    FaceDetail,
    Plate,
    Record,
    Vehicle,
    VehicleDetail,
)
from tests.support.clock import FrozenClock
from tests.support.stores import batch, batch_of, drop_day, is_whole, opened, upload

HOUR = 3_600_000


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path / "data", clock) as store:
        yield store


async def seqs(store: Store, **filter: Any) -> list[int]:
    page = await store.records.page(RecordFilter(**filter))
    return [item.seq for item in page.items]


async def append(store: Store, clock: FrozenClock, seed: int, **fields: Any) -> int:
    appended = await store.records.append(batch(clock, seed, pictures=0, **fields))
    return appended.seqs[0]


async def test_an_upload_is_read_back_as_it_was_sent(store: Store, clock: FrozenClock) -> None:
    sent = batch(clock, 1)
    appended = await store.records.append(sent)
    assert appended.seqs == (1,)
    assert not appended.repeated
    stored = await store.records.get(1)
    assert stored is not None
    assert (stored.kind, stored.did, stored.sn, stored.device_name) == ("face", "7", "SN7", "Gate")
    assert stored.occurred_at == stored.received_at == int(clock() * 1000)
    assert [image.path for image in stored.images] == [
        "/media/1/face.jpg",
        "/media/1/body.jpg",
        "/media/1/background.jpg",
    ]
    assert await is_whole(store, 1, sent.uploads[0])


async def test_a_repeated_upload_is_one_record(store: Store, clock: FrozenClock) -> None:
    first = await store.records.append(batch(clock, 1))
    again = await store.records.append(batch(clock, 1))
    assert again.seqs == first.seqs
    assert again.repeated
    assert store.records.last_seq == 1


async def test_the_same_upload_twice_in_one_group_is_one_record(
    store: Store, clock: FrozenClock
) -> None:
    outcomes = []

    async def send() -> None:
        outcomes.append(await store.records.append(batch(clock, 1)))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(send)
    assert {outcome.seqs for outcome in outcomes} == {(1,)}
    assert sorted(outcome.repeated for outcome in outcomes) == [False, True, True, True, True]
    assert store.retention.days()[0].records == 1


async def test_the_same_bytes_of_another_device_are_another_record(
    store: Store, clock: FrozenClock
) -> None:
    await store.records.append(batch(clock, 1, did="7"))
    other = await store.records.append(batch(clock, 1, did="8"))
    assert other.seqs == (2,)
    assert not other.repeated


async def test_after_a_day_the_same_bytes_are_a_new_record(
    store: Store, clock: FrozenClock
) -> None:
    await store.records.append(batch(clock, 1))
    clock.advance(86_401)
    again = await store.records.append(batch(clock, 1))
    assert again.seqs == (2,)
    assert not again.repeated


async def test_old_digests_are_forgotten(store: Store, clock: FrozenClock) -> None:
    for seed in range(3):
        await append(store, clock, seed)
    clock.advance(86_401)
    await append(store, clock, 9)
    count = await store.read(lambda c: c.execute("SELECT count(*) FROM upload").fetchone()[0])
    assert count == 1


async def test_digests_of_a_clock_that_was_a_year_ahead_do_not_stay_for_a_year(
    store: Store, clock: FrozenClock
) -> None:
    clock.advance(365 * 86_400)
    await append(store, clock, 1)
    clock.advance(-365 * 86_400)
    for seed in range(2, 4):
        await append(store, clock, seed)
    clock.advance(86_401)
    await append(store, clock, 9)
    count = await store.read(lambda c: c.execute("SELECT count(*) FROM upload").fetchone()[0])
    assert count == 1


async def test_a_batch_of_several_records_is_stored_as_a_whole_or_not_at_all(
    store: Store, clock: FrozenClock
) -> None:
    detail = AccessDetail(rid="r1", uuid="9223372036854775808", status=1)
    entries = tuple(
        upload(clock, kind="access", detail=detail, seed=n, pictures=1) for n in range(3)
    )
    for _ in range(2):
        appended = await store.records.append(batch_of(clock, entries, seed=1))
        assert appended.seqs == (1, 2, 3)
    for seq, entry in zip((1, 2, 3), entries, strict=True):
        assert await is_whole(store, seq, entry)
    broken = (entries[0], upload(clock, kind="access", detail=AccessDetail(rid="\ud800")))
    with pytest.raises(UnicodeEncodeError):
        await store.records.append(batch_of(clock, broken, seed=2))
    assert store.records.last_seq == 3


async def test_an_empty_batch_stores_nothing(store: Store, clock: FrozenClock) -> None:
    assert (await store.records.append(batch_of(clock, ()))).seqs == ()


async def test_followers_get_records_in_order_before_waiting_tasks_wake(
    tmp_path: Path, clock: FrozenClock
) -> None:
    followed: list[int] = []
    woken: list[tuple[int, bool]] = []

    def on_records(records: Sequence[Record]) -> None:
        followed.extend(item.seq for item in records)

    async with opened(tmp_path / "data", clock, on_records=on_records) as store:

        async def send(seed: int) -> None:
            seq = (await store.records.append(batch(clock, seed))).seqs[0]
            woken.append((seq, seq in followed and store.records.last_seq >= seq))

        async with trio.open_nursery() as nursery:
            for seed in range(40):
                nursery.start_soon(send, seed)
    assert followed == list(range(1, 41))
    assert all(known for _, known in woken)


@pytest.mark.expects_error("a follower of the record log failed")
async def test_a_follower_that_fails_does_not_stop_the_writer(
    tmp_path: Path, clock: FrozenClock
) -> None:
    def on_records(records: Sequence[Record]) -> None:
        raise RuntimeError("a bug")

    async with opened(tmp_path / "data", clock, on_records=on_records) as store:
        assert (await store.records.append(batch(clock, 1))).seqs == (1,)
        assert (await store.records.append(batch(clock, 2))).seqs == (2,)


async def test_a_record_does_not_keep_the_request_body_alive(
    tmp_path: Path, clock: FrozenClock
) -> None:
    body = msgspec.json.decode(b'[{"a":1}, 2]', type=list[msgspec.Raw])[0]
    seen: list[Record] = []
    async with opened(tmp_path / "data", clock, on_records=seen.extend) as store:
        detail = EventDetail(type=2, data=body)
        await store.records.append(
            batch(clock, 1, kind="event", detail=detail, extra=body, pictures=0)
        )
    assert isinstance(seen[0].detail, EventDetail)
    # A Raw refers to the whole body that it was decoded from.
    assert seen[0].detail.data is not body
    assert seen[0].extra is not body
    assert bytes(seen[0].detail.data) == bytes(seen[0].extra) == b'{"a":1}'


async def test_the_log_is_read_in_pages_in_both_orders(store: Store, clock: FrozenClock) -> None:
    for seed in range(10):
        await append(store, clock, seed)
    page = await store.records.page(RecordFilter(), limit=4)
    assert [item.seq for item in page.items] == [1, 2, 3, 4]
    page = await store.records.page(RecordFilter(), after=page.next, limit=4)
    assert [item.seq for item in page.items] == [5, 6, 7, 8]
    page = await store.records.page(RecordFilter(), after=page.next, limit=4)
    assert [item.seq for item in page.items] == [9, 10]
    assert page.next is None
    page = await store.records.page(RecordFilter(), newest_first=True, limit=4)
    assert [item.seq for item in page.items] == [10, 9, 8, 7]
    page = await store.records.page(RecordFilter(), newest_first=True, before=page.next, limit=6)
    assert [item.seq for item in page.items] == [6, 5, 4, 3, 2, 1]
    assert page.next is None


async def test_a_page_of_huge_records_ends_early(store: Store, clock: FrozenClock) -> None:
    extra = msgspec.Raw(b'{"x":"' + b"y" * 1000 + b'"}')
    for seed in range(5):
        await append(store, clock, seed, extra=extra)
    page = await store.records.page(RecordFilter(), max_bytes=2000)
    assert [item.seq for item in page.items] == [1, 2]
    assert page.next == 2
    page = await store.records.page(RecordFilter(), after=2, max_bytes=2000)
    assert [item.seq for item in page.items] == [3, 4]
    page = await store.records.page(RecordFilter(), after=4, max_bytes=2000)
    assert page.next is None


async def test_each_filter_of_the_api_works(store: Store, clock: FrozenClock) -> None:
    face = FaceDetail(name="Änne Li", uuid="p1", category=2)
    event = EventDetail(type=11, name="Bo", uuid="p2", category=1)
    vehicle = VehicleDetail(Plate(id="京A12345", type=1), Vehicle(type=11))
    access = AccessDetail(uuid="p1", type="11")
    await append(store, clock, 1, detail=face, did="1")
    await append(store, clock, 2, kind="event", detail=event, did="1")
    await append(store, clock, 3, kind="vehicle", detail=vehicle, did="2")
    await append(store, clock, 4, kind="access", detail=access, did="2")
    assert await seqs(store, kind="event") == [2]
    assert await seqs(store, did="2") == [3, 4]
    assert await seqs(store, type=11) == [2, 4]
    assert await seqs(store, type=11, kind="event") == [2]
    assert await seqs(store, plate="a123") == [3]
    assert await seqs(store, plate="京a") == [3]
    assert await seqs(store, name="äNNE") == [1]
    assert await seqs(store, name="o") == [2]
    assert await seqs(store, name="a12") == []
    assert await seqs(store, uuid="p1") == [1, 4]
    assert await seqs(store, uuid="p1", did="2") == [4]
    assert await seqs(store, category=2) == [1]
    assert await seqs(store, category=2, kind="face", did="1", uuid="p1", name="li") == [1]
    assert await seqs(store, category=2, did="2") == []
    assert await seqs(store, name="li", plate="123") == []


async def test_records_are_filtered_by_time(store: Store, clock: FrozenClock) -> None:
    start = int(clock() * 1000)
    for seed in range(6):
        await append(store, clock, seed, occurred_at=start + seed * HOUR)
    assert await seqs(store, since=start + HOUR, until=start + 3 * HOUR) == [2, 3]
    assert await seqs(store, since=start + 4 * HOUR) == [5, 6]
    assert await seqs(store, until=start + 1) == [1]
    assert await seqs(store, until=start) == []
    page = await store.records.page(RecordFilter(since=start + HOUR), newest_first=True, limit=2)
    assert [item.seq for item in page.items] == [6, 5]
    page = await store.records.page(
        RecordFilter(since=start + HOUR), newest_first=True, before=page.next, limit=9
    )
    assert [item.seq for item in page.items] == [4, 3, 2]


async def test_records_of_a_device_with_a_wrong_clock_are_found_by_its_time(
    store: Store, clock: FrozenClock
) -> None:
    start = int(clock() * 1000)
    await append(store, clock, 1)
    await append(store, clock, 2, occurred_at=1000)
    await append(store, clock, 3)
    assert await seqs(store, until=2000) == [2]
    assert await seqs(store, since=start) == [1, 3]
    spans = await store.read(lambda c: c.execute("SELECT earliest, latest FROM span").fetchall())
    assert spans == [(start, start)]


async def test_times_are_filtered_across_many_blocks(store: Store, clock: FrozenClock) -> None:
    start = int(clock() * 1000)
    for block in range(5):
        entries = tuple(
            upload(clock, pictures=0, occurred_at=start + block * HOUR) for _ in range(1024)
        )
        await store.records.append(batch_of(clock, entries, seed=block))
    wanted = RecordFilter(since=start + 2 * HOUR, until=start + 3 * HOUR)
    page = await store.records.page(wanted, limit=2000)
    assert [item.seq for item in page.items] == list(range(2049, 3073))
    backwards = await store.records.page(wanted, limit=2000, newest_first=True)
    assert backwards.items == page.items[::-1]


@pytest.mark.parametrize("name", ["a\0b", "\0", "'; --", "\u202e", "\U0001f600" * 500, "%", '"'])
async def test_strange_names_are_kept_and_found(
    store: Store, clock: FrozenClock, name: str
) -> None:
    seq = await append(store, clock, 1, detail=FaceDetail(name=name))
    stored = await store.records.get(seq)
    assert stored is not None
    assert stored.detail == FaceDetail(name=name)
    assert await seqs(store, name=name) == [seq]


async def test_a_group_leaves_nothing_for_the_garbage_collector(
    store: Store, clock: FrozenClock
) -> None:
    """A batch holds megabytes, which must be freed at once, not at the next collection."""
    gc.collect()
    gc.disable()
    try:
        async with trio.open_nursery() as nursery:
            for seed in (1, 1, 2, 3):
                nursery.start_soon(store.records.append, batch(clock, seed))
        await store.write(lambda connection: None)
        assert [one for one in gc.get_objects() if isinstance(one, RecordBatch)] == []
    finally:
        gc.enable()


async def test_a_search_that_matches_many_names_finds_all_records(
    store: Store, clock: FrozenClock
) -> None:
    entries = tuple(
        upload(clock, pictures=0, detail=FaceDetail(name=f"Person {n:03d}")) for n in range(600)
    )
    await store.records.append(batch_of(clock, entries, seed=1))
    page = await store.records.page(RecordFilter(name="PERSON"), limit=1000)
    assert [item.seq for item in page.items] == list(range(1, 601))
    assert await seqs(store, name="person 59") == list(range(591, 601))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**200])
async def test_numbers_that_sqlite_cannot_hold_are_stored_and_find_nothing(
    store: Store, clock: FrozenClock, number: int
) -> None:
    event = EventDetail(type=number, category=number)
    seq = await append(store, clock, 1, kind="event", detail=event)
    stored = await store.records.get(seq)
    assert stored is not None
    assert stored.detail == event
    assert await seqs(store, type=number) == []
    assert await store.records.get(number) is None
    assert (await store.records.page(RecordFilter(), after=number, before=number)).items == ()


async def test_a_lone_picture_refers_to_the_devices_latest_access_record(
    store: Store, clock: FrozenClock
) -> None:
    def lone(seed: int, did: str = "7") -> RecordBatch:
        fields: dict[str, Any] = {"kind": "access", "detail": AccessDetail(), "pictures": 1}
        return batch(clock, seed, did=did, follows_access=True, **fields)

    async def of(seq: int) -> int | None:
        stored = await store.records.get(seq)
        assert stored is not None
        assert isinstance(stored.detail, AccessDetail)
        return stored.detail.of

    await store.records.append(lone(1))
    assert await of(1) is None
    await append(store, clock, 2, kind="access", detail=AccessDetail(rid="a"))
    await store.records.append(lone(3))
    await store.records.append(lone(4, did="8"))
    await store.records.append(lone(5))
    assert (await of(3), await of(4), await of(5)) == (2, None, 2)


async def test_there_is_one_latest_picture_per_device(store: Store, clock: FrozenClock) -> None:
    await store.devices.add([NewDevice(sn=f"SN{n}", code="c", did=str(n)) for n in (1, 2, 3)])
    await store.records.append(batch(clock, 1, did="1"))
    await store.records.append(batch(clock, 2, did="1"))
    await store.records.append(batch(clock, 3, did="1", pictures=0))
    await store.records.append(batch(clock, 4, did="2", pictures=0))
    latest = await store.records.latest_pictures()
    assert {did: picture.path for did, picture in latest.items()} == {"1": "/media/2/face.jpg"}
    assert store.records.is_kept(latest["1"])
    clock.advance(86_400)
    await drop_day(store, "2026-11-25")
    assert not store.records.is_kept(latest["1"])


async def test_the_last_picture_of_a_camera_that_was_replaced_is_not_that_of_the_new_one(
    store: Store, clock: FrozenClock
) -> None:
    await store.devices.add([NewDevice(sn="SN1", code="c", did="1")])
    await store.records.append(batch(clock, 1, did="1"))
    await store.devices.change("1", DeviceChange(sn="SN2"))
    assert await store.records.latest_pictures() == {}
    await store.devices.change("1", DeviceChange(sn="SN1"))
    assert {*await store.records.latest_pictures()} == {"1"}


async def test_lists_of_cameras_and_categories_match_any_of_them(
    store: Store, clock: FrozenClock
) -> None:
    for seed, (did, category) in enumerate((("1", 0), ("2", 1), ("3", 2), ("1", 2)), 1):
        await append(store, clock, seed, did=did, detail=FaceDetail(category=category))
    assert await seqs(store, dids=("1", "3")) == [1, 3, 4]
    assert await seqs(store, dids=("1", "3"), categories=(2, 2**70)) == [3, 4]
    assert await seqs(store, dids=("1", "3"), did="2") == []
    assert await seqs(store, categories=(0, 1), category=1) == [2]
    assert await seqs(store, dids=()) == []
    assert await seqs(store, categories=()) == []


async def test_records_are_found_by_whether_they_have_pictures(
    store: Store, clock: FrozenClock
) -> None:
    await append(store, clock, 1)
    await store.records.append(batch(clock, 2))
    assert await seqs(store, has_pictures=True) == [2]
    assert await seqs(store, has_pictures=False) == [1]


@pytest.mark.parametrize(
    ("plate", "found"),
    [
        ("A?88", [1]),
        ("a??8", [1, 2]),
        ("A*8", [1, 2, 3]),
        ("京?12*8*9", [2]),
        ("?", [1, 2, 3, 4]),
        ("*", [1, 2, 3, 4]),
        ("[A-Z]", []),
        ("[x?]", [4]),
        ("A?8?8", []),
    ],
)
async def test_a_question_mark_is_one_character_and_an_asterisk_any_number(
    store: Store, clock: FrozenClock, plate: str, found: list[int]
) -> None:
    for seed, id in enumerate(("沪A188", "京A12889", "A8", "[XY]"), 1):
        detail = VehicleDetail(Plate(id=id, type=1), Vehicle(type=11))
        await append(store, clock, seed, kind="vehicle", detail=detail)
    await append(store, clock, 9, detail=FaceDetail(name="A188"))
    assert await seqs(store, plate=plate) == found
