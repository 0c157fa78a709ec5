from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import get_args

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.live.feed import Change, ChangeKind
from hub.services.audit import COMMAND_LINE
from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services
from web.live_events import PAUSE_SECONDS, open_live_events


async def may_read() -> bool:
    return True


async def test_a_reader_that_fell_behind_reads_everything_again(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        feed = hub.services.core.changes
        with open_live_events(hub.services, COMMAND_LINE, None, may_read) as events:
            for kind in ("device", "person", "job", "sync", "group"):
                feed.publish([Change(kind, str(key)) for key in range(60)])
            news = await events.next()
    assert news is not None
    assert {change.kind for change in news.changes} == set(get_args(ChangeKind))
    assert {change.key for change in news.changes} == {""}


class _Steps(trio.abc.Instrument):
    """Counts how often tasks with a name go on."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += task.name.endswith(self._name)


async def test_two_hundred_readers_wake_up_once_for_all_that_happens_in_a_moment(
    tmp_path: Path, clock: FrozenClock, mock_clock: MockClock
) -> None:
    news: Counter[int] = Counter()
    records: Counter[int] = Counter()

    async def follow(number: int) -> None:
        with open_live_events(hub.services, COMMAND_LINE, None, may_read) as events:
            while (one := await events.next()) is not None:
                news[number] += 1
                records[number] += len(one.records)

    steps = _Steps("follow")
    async with open_hub_services(tmp_path, clock) as hub, trio.open_nursery() as nursery:
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
        mock_clock.jump(PAUSE_SECONDS[1])
        await wait_all_tasks_blocked()
        assert set(news.values()) == {2}
        assert set(records.values()) == {21}
        # The pause has passed, and the news are there.
        assert steps.count == 200 * 2
        nursery.cancel_scope.cancel()


async def test_readers_that_come_when_the_hub_stops_end_at_once(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        hub.services.core.closing.set()
        await wait_all_tasks_blocked()
        with open_live_events(hub.services, COMMAND_LINE, None, may_read) as events:
            assert await events.next() is None
