from __future__ import annotations

import random
from typing import Any

import pytest
import trio
from msgspec import Raw

from hub.errors import NoSuchResource, TooManyRequests
from hub.services.feeds import record_weight
from hub.services.records.record_log import LogReader
from hub.store.records.record_filter import RecordFilter
from hub.store.records.record_log import RecordPage
from hub.wire.uploads.records import EventDetail, Record
from tests.support.hub_services import HubServices


async def read(reader: LogReader, count: int) -> list[int]:
    seqs: list[int] = []
    with trio.fail_after(10):
        while len(seqs) < count:
            seqs += [record.seq for record in await reader.next()]
    return seqs


async def test_a_reader_without_a_cursor_starts_after_the_last_record(hub: HubServices) -> None:
    await hub.add_faces("a", "b")
    with hub.services.records.log.open_reader() as reader:
        await hub.add_faces("c")
        assert await read(reader, 1) == [3]


async def test_a_reader_goes_on_after_its_cursor(hub: HubServices) -> None:
    await hub.add_faces("a", "b", "c")
    with hub.services.records.log.open_reader(1) as reader:
        assert await read(reader, 2) == [2, 3]
        await hub.add_faces("d")
        assert await read(reader, 1) == [4]
        assert reader.seq == 4


async def test_a_record_committed_while_the_past_is_read_is_returned_once(hub: HubServices) -> None:
    await hub.add_faces(*"abc")
    with hub.services.records.log.open_reader(0) as reader:
        await hub.add_faces(*"de")
        assert await read(reader, 5) == [1, 2, 3, 4, 5]
        await hub.add_faces("f")
        assert await read(reader, 1) == [6]


async def test_a_reader_that_falls_behind_reads_from_the_store(hub: HubServices) -> None:
    with hub.services.records.log.open_reader() as reader:
        await hub.add_faces(*map(str, range(300)))
        assert reader._live.lagged
        assert len(reader._live._items) == 0
        assert await read(reader, 300) == list(range(1, 301))
        await hub.add_faces("one more")
        assert await read(reader, 1) == [301]


async def test_a_waiting_reader_loses_nothing_when_cancelled(hub: HubServices) -> None:
    with hub.services.records.log.open_reader() as reader:
        for n in range(1, 20):
            with trio.CancelScope() as scope:
                scope.cancel()
                await reader.next()
            await hub.add_faces(str(n))
            with trio.CancelScope() as scope:
                scope.cancel()
                await reader.next()
            assert await read(reader, 1) == [n]


async def test_a_reader_pauses_while_the_store_is_too_busy(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def too_busy(*filter: object, **more: object) -> None:
        asked.append(filter)
        raise TooManyRequests

    await hub.add_faces("a")
    with hub.services.records.log.open_reader(0) as reader:
        with monkeypatch.context() as patch, trio.move_on_after(0.05):
            patch.setattr(hub.store.records, "page", too_busy)
            await reader.next()
        assert len(asked) == 1
        assert await read(reader, 1) == [1]


async def test_a_reader_goes_on_behind_a_page_that_took_too_long(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hub.store.records.page

    async def in_vain(filter: RecordFilter, *, after: int, **more: Any) -> RecordPage:
        monkeypatch.setattr(hub.store.records, "page", whole)
        return RecordPage((), after + 2, is_complete=False)

    await hub.add_faces(*"abcd")
    with hub.services.records.log.open_reader(0) as reader:
        monkeypatch.setattr(hub.store.records, "page", in_vain)
        assert await reader.take() == []
        assert await read(reader, 2) == [3, 4]


async def test_readers_of_every_speed_get_each_record_once_in_order(hub: HubServices) -> None:
    chance = random.Random(1)
    total = 600
    seen: list[list[int]] = []

    async def follow(after: int) -> None:
        seqs: list[int] = []
        with hub.services.records.log.open_reader(after) as reader:
            while not seqs or seqs[-1] < total:
                with trio.move_on_after(chance.choice([0, 0.001, 1])):
                    seqs += [record.seq for record in await reader.next()]
                for _ in range(chance.choice([0, 0, 0, 200])):  # dawdle
                    await trio.lowlevel.checkpoint()
        seen.append(seqs)

    async def write() -> None:
        for n in range(total // 20):
            async with trio.open_nursery() as writers:
                for _ in range(20):
                    writers.start_soon(hub.add_faces, str(n))

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(follow, 0)
            nursery.start_soon(write)
    assert seen == [list(range(1, total + 1))] * 10


async def test_a_cursor_beyond_the_end_counts_as_the_end(hub: HubServices) -> None:
    await hub.add_faces("a")
    with hub.services.records.log.open_reader(1000) as reader:
        await hub.add_faces("b")
        assert await read(reader, 1) == [2]


async def test_nothing_is_held_for_a_closed_reader(hub: HubServices) -> None:
    with hub.services.records.log.open_reader():
        assert len(hub.services.core.records._subscriptions) == 1
    assert not hub.services.core.records._subscriptions


async def test_a_record_is_found_by_seq_and_by_filter(hub: HubServices) -> None:
    await hub.add_faces("Li Lei", "Han Meimei")
    log = hub.services.records.log
    assert (await log.get(2)).seq == 2
    page = await log.page(RecordFilter(name="li l"))
    assert [record.seq for record in page.items] == [1]
    with pytest.raises(NoSuchResource):
        await log.get(3)


async def test_a_picture_is_returned_as_it_was_sent(hub: HubServices) -> None:
    await hub.add_faces("a", pictures=True)
    picture = await hub.services.records.log.picture(1, "face")
    assert (picture.mime, picture.data) == ("image/jpeg", b"\xff\xd8\xffa")
    for seq, name in [(1, "body"), (2, "face")]:
        with pytest.raises(NoSuchResource):
            await hub.services.records.log.picture(seq, name)


def test_the_weight_of_a_record_counts_what_the_device_decides() -> None:
    record = Record(
        seq=1,
        kind="event",
        did="1",
        sn="SN",
        device_name="",
        occurred_at=0,
        received_at=0,
        detail=EventDetail(type=1, data=Raw(b'{"a":1}')),
        extra=Raw(b'{"b":22}'),
        images=(),
    )
    assert record_weight(record) == 7 + 8
