from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, get_args

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import TooManyRequests
from hub.live.feed import Change, ChangeKind
from hub.services import rounds
from hub.services.audit import COMMAND_LINE
from hub.services.rounds import AT_ONCE, PAUSE_SECONDS
from hub.store.records.record_filter import RecordFilter
from hub.store.records.record_log import RecordPage
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from web.live_events import LiveEvents, open_live_events


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        yield hub


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "PAUSE_SECONDS", (0.0, 0.0))


async def may_read() -> bool:
    return True


def opened(hub: HubServices, after: int | None = None) -> AbstractContextManager[LiveEvents]:
    return open_live_events(hub.services, COMMAND_LINE, after, may_read)


async def read(events: LiveEvents, count: int) -> list[int]:
    """The seqs of the records that come, at least so many."""
    seqs: list[int] = []
    with trio.fail_after(10):
        while len(seqs) < count:
            news = await events.next()
            assert news is not None
            seqs += [record.seq for record in news.records]
    return seqs


async def test_a_reader_without_a_cursor_starts_after_the_last_record(hub: HubServices) -> None:
    await hub.add_faces("a", "b")
    with opened(hub) as events:
        await hub.add_faces("c")
        assert await read(events, 1) == [3]


async def test_a_reader_goes_on_after_its_cursor(hub: HubServices) -> None:
    await hub.add_faces("a", "b", "c")
    with opened(hub, 1) as events:
        assert await read(events, 2) == [2, 3]
        await hub.add_faces("d")
        assert await read(events, 1) == [4]


async def test_a_record_committed_while_the_past_is_read_is_returned_once(hub: HubServices) -> None:
    await hub.add_faces(*"abc")
    with opened(hub, 0) as events:
        await hub.add_faces(*"de")
        assert await read(events, 5) == [1, 2, 3, 4, 5]
        await hub.add_faces("f")
        assert await read(events, 1) == [6]


async def test_a_reader_that_falls_behind_reads_from_the_store(
    no_pause: None, hub: HubServices
) -> None:
    with opened(hub) as events:
        for number in range(40):
            await hub.add_faces(str(number))
            await wait_all_tasks_blocked()
        assert await read(events, 40) == list(range(1, 41))
        await hub.add_faces("one more")
        assert await read(events, 1) == [41]


async def test_readers_read_from_the_store_what_came_faster_than_the_rounds(
    hub: HubServices,
) -> None:
    with opened(hub) as events:
        await hub.add_faces("first")
        assert await read(events, 1) == [1]
        # While the rounds pause.
        hub.services.core.records.restart()
        await hub.add_faces(*"abc")
        assert await read(events, 3) == [2, 3, 4]


async def test_a_reader_pauses_while_the_store_is_too_busy(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.live_events._BUSY_SECONDS", 0.05)
    asked = []

    async def too_busy(*filter: object, **more: object) -> None:
        asked.append(trio.current_time())
        raise TooManyRequests

    await hub.add_faces("a")
    with opened(hub, 0) as events:
        with monkeypatch.context() as patch:
            patch.setattr(hub.store.records, "page", too_busy)
            for _ in range(2):
                news = await events.next()
                assert news is not None
                assert not news.records
        assert asked[1] - asked[0] >= 0.05
        assert await read(events, 1) == [1]


async def test_a_reader_goes_on_behind_a_page_that_took_too_long(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hub.store.records.page

    async def in_vain(filter: RecordFilter, *, after: int, **more: Any) -> RecordPage:
        monkeypatch.setattr(hub.store.records, "page", whole)
        return RecordPage((), after + 2, is_complete=False)

    await hub.add_faces(*"abcd")
    with opened(hub, 0) as events:
        monkeypatch.setattr(hub.store.records, "page", in_vain)
        assert await read(events, 2) == [3, 4]


async def test_readers_of_every_speed_get_each_record_once_in_order(
    no_pause: None, hub: HubServices
) -> None:
    chance = random.Random(1)
    total = 600
    seen: list[list[int]] = []

    async def follow() -> None:
        seqs: list[int] = []
        with opened(hub, 0) as events:
            while not seqs or seqs[-1] < total:
                seqs += await read(events, 1)
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
                nursery.start_soon(follow)
            nursery.start_soon(write)
    assert seen == [list(range(1, total + 1))] * 10


async def test_a_cursor_beyond_the_end_counts_as_the_end(hub: HubServices) -> None:
    await hub.add_faces("a")
    with opened(hub, 1000) as events:
        await hub.add_faces("b")
        assert await read(events, 1) == [2]


async def test_a_reader_that_fell_behind_reads_everything_again(hub: HubServices) -> None:
    feed = hub.services.core.changes
    with opened(hub) as events:
        for kind in ("device", "person", "job", "sync", "group"):
            feed.publish([Change(kind, str(key)) for key in range(60)])
        news = await events.next()
    assert news is not None
    assert {change.kind for change in news.changes} == set(get_args(ChangeKind))
    assert {change.key for change in news.changes} == {""}


class _Steps(trio.abc.Instrument):
    """Counts the steps of tasks with a name, and the most of them between two of any other."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._at_once = 0
        self.count = self.most_at_once = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if not task.name.endswith(self._name):
            self._at_once = 0
            return
        self.count += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)


async def test_two_hundred_readers_wake_up_once_for_all_that_happens_in_a_moment(
    hub: HubServices, mock_clock: MockClock
) -> None:
    news: Counter[int] = Counter()
    records: Counter[int] = Counter()
    same: set[int] = set()

    async def follow(number: int) -> None:
        with opened(hub) as events:
            while (one := await events.next()) is not None:
                news[number] += 1
                records[number] += len(one.records)
                same.add(id(one))

    steps = _Steps("follow")
    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(follow, number)
        await wait_all_tasks_blocked()
        await hub.add_faces("first")
        await wait_all_tasks_blocked()
        assert set(news.values()) == {1}
        trio.lowlevel.add_instrument(steps)
        for number in range(20):
            await hub.add_faces(f"record {number}")
            hub.services.core.changes.publish([Change("device", str(number))])
        await wait_all_tasks_blocked()
        mock_clock.jump(PAUSE_SECONDS[0])
        await wait_all_tasks_blocked()
        assert set(news.values()) == {2}
        assert set(records.values()) == {21}
        assert len(same) == 2
        assert steps.count == 200
        # An upload waits for so many of them at most.
        assert steps.most_at_once <= AT_ONCE
        nursery.cancel_scope.cancel()


async def test_a_slow_reader_holds_up_a_round_once_and_lags_alone(
    hub: HubServices, mock_clock: MockClock
) -> None:
    told: list[int] = []
    slow_seqs: list[int] = []
    is_free = trio.Event()

    async def follow_slowly() -> None:
        with opened(hub) as events:
            while (news := await events.next()) is not None:
                slow_seqs.extend(record.seq for record in news.records)
                await is_free.wait()

    async def follow() -> None:
        with opened(hub) as events:
            while (news := await events.next()) is not None:
                told.extend(record.seq for record in news.records)

    async def seconds(seconds: float) -> None:
        mock_clock.jump(seconds)
        await wait_all_tasks_blocked()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow_slowly)
        await wait_all_tasks_blocked()
        for _ in range(2 * AT_ONCE):
            nursery.start_soon(follow)
        await wait_all_tasks_blocked()
        await hub.add_faces("first")
        await wait_all_tasks_blocked()
        assert told == [1] * (AT_ONCE - 1)
        await seconds(0.1)
        assert told == [1] * (2 * AT_ONCE)
        for seq in range(2, 31):
            await seconds(0.4)
            await hub.add_faces(str(seq))
            await wait_all_tasks_blocked()
            # It has not come back, and nobody waits for it.
            assert told == [seq for seq in range(1, seq + 1) for _ in range(2 * AT_ONCE)]
        assert slow_seqs == [1]
        is_free.set()
        while len(slow_seqs) < 30:
            await trio.lowlevel.checkpoint()
        assert slow_seqs == list(range(1, 31))
        nursery.cancel_scope.cancel()


async def test_readers_that_come_when_the_hub_stops_end_at_once(hub: HubServices) -> None:
    hub.services.core.closing.set()
    await wait_all_tasks_blocked()
    with opened(hub) as events:
        assert await events.next() is None
